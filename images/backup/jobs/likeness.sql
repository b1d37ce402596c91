-- Each object of a database with owner and privileges; what belongs to an extension is its extension's matter.
SET search_path = pg_catalog;
WITH members AS (
  SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), ours AS (
  SELECT oid, nspname, nspowner, nspacl FROM pg_namespace WHERE nspname <> 'information_schema' AND nspname !~ '^pg_'
), objects AS (
  SELECT 'database' AS name, '' AS detail, datdba AS owner, datacl AS acl, acldefault('d', datdba) AS usual
  FROM pg_database WHERE datname = current_database()
  UNION ALL
  SELECT 'schema ' || nspname, '', nspowner, nspacl, acldefault('n', nspowner) FROM ours
  UNION ALL
  SELECT CASE relkind WHEN 'S' THEN 'sequence ' ELSE 'table ' END || nspname || '.' || relname, '', relowner, relacl,
         acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner)
  FROM pg_class c JOIN ours ON ours.oid = relnamespace
  WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
    AND NOT EXISTS (SELECT FROM members WHERE classid = 'pg_class'::regclass AND objid = c.oid)
  UNION ALL
  SELECT 'function ' || p.oid::regprocedure, CASE WHEN prosecdef THEN 'security definer, ' ELSE '' END, proowner, proacl,
         acldefault('f', proowner)
  FROM pg_proc p JOIN ours ON ours.oid = pronamespace
  WHERE NOT EXISTS (SELECT FROM members WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
  UNION ALL
  SELECT 'default privileges on ' || defaclobjtype::text || ' of ' || pg_get_userbyid(defaclrole) ||
         coalesce(' in ' || nspname, ''), '', defaclrole, defaclacl, NULL
  FROM pg_default_acl LEFT JOIN ours ON ours.oid = defaclnamespace
)
SELECT name, detail || 'owner ' || pg_get_userbyid(owner) || ', privileges ' || coalesce(
  (SELECT string_agg(who || '=' || what, ' ' ORDER BY who)
   FROM (SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(grantee) END AS who,
                lower(string_agg(privilege_type, '+' ORDER BY privilege_type)) AS what
         FROM aclexplode(coalesce(acl, usual)) GROUP BY 1) AS each), 'none')
FROM objects
UNION ALL
SELECT 'extension ' || extname, 'version ' || extversion FROM pg_extension
