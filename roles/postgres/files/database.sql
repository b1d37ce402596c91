-- Inside databases hustlex and hustlex_template. Every statement runs only where the catalogue differs: a second run writes nothing.
SET synchronous_commit = local;
SET client_min_messages = warning;

SELECT 'ALTER SCHEMA public OWNER TO hustlex_owner' FROM pg_namespace
WHERE nspname = 'public' AND nspowner <> 'hustlex_owner'::regrole \gexec

SELECT 'REVOKE ALL ON SCHEMA public FROM PUBLIC'
WHERE has_schema_privilege('public', 'public', 'USAGE') OR has_schema_privilege('public', 'public', 'CREATE') \gexec

SELECT format('GRANT USAGE ON SCHEMA public TO %I', name) FROM unnest(ARRAY['hustlex', 'monitor']) AS name
WHERE NOT has_schema_privilege(name, 'public', 'USAGE') \gexec

-- The application reads and writes rows of what migrations create, and never changes the schema.
SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE hustlex_owner GRANT %s ON %s TO hustlex', string_agg(privilege, ', '), kind)
FROM (VALUES ('TABLES', 'r', 'SELECT'), ('TABLES', 'r', 'INSERT'), ('TABLES', 'r', 'UPDATE'), ('TABLES', 'r', 'DELETE'),
             ('SEQUENCES', 'S', 'USAGE'), ('SEQUENCES', 'S', 'SELECT'), ('SEQUENCES', 'S', 'UPDATE'),
             ('SCHEMAS', 'n', 'USAGE')) AS g(kind, code, privilege)
WHERE NOT EXISTS (
  SELECT FROM pg_default_acl, aclexplode(defaclacl) AS a
  WHERE defaclrole = 'hustlex_owner'::regrole AND defaclnamespace = 0 AND defaclobjtype = code::"char"
    AND a.grantee = 'hustlex'::regrole AND a.privilege_type = privilege)
GROUP BY kind \gexec

SELECT format('CREATE EXTENSION %I SCHEMA public', name) FROM unnest(ARRAY['pg_stat_statements', 'amcheck']) AS name
WHERE NOT EXISTS (SELECT FROM pg_extension WHERE extname = name) \gexec

-- After a minor or major change of the image.
SELECT format('ALTER EXTENSION %I UPDATE', e.extname) FROM pg_extension e JOIN pg_available_extensions a ON a.name = e.extname
WHERE e.extname IN ('pg_stat_statements', 'amcheck') AND e.extversion <> a.default_version \gexec

-- A restored copy is looked through before it takes the place of the live database.
SELECT format('GRANT EXECUTE ON FUNCTION %s TO restore', p.oid::regprocedure) FROM pg_proc p
JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'amcheck'
WHERE NOT has_function_privilege('restore', p.oid, 'EXECUTE') \gexec

SELECT 'CREATE SCHEMA pgbouncer' WHERE NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'pgbouncer') \gexec
SELECT 'GRANT USAGE ON SCHEMA pgbouncer TO pgbouncer' WHERE NOT has_schema_privilege('pgbouncer', 'pgbouncer', 'USAGE') \gexec

-- PgBouncer's auth_query: verifiers of application users alone, never of a superuser or one of our service roles.
\set lookup 'SELECT rolname::text, rolpassword FROM pg_catalog.pg_authid WHERE rolname = $1 AND rolcanlogin AND NOT rolsuper AND NOT rolreplication AND (rolvaliduntil IS NULL OR rolvaliduntil > pg_catalog.now()) AND rolname NOT IN (''hustlex_owner'', ''monitor'', ''backup'', ''restore'', ''pgbouncer'')'

SELECT format('CREATE OR REPLACE FUNCTION pgbouncer.user_lookup(username text, OUT uname text, OUT phash text) RETURNS record
  LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS %L', :'lookup')
WHERE NOT EXISTS (SELECT FROM pg_proc WHERE oid = to_regprocedure('pgbouncer.user_lookup(text)') AND prosrc = :'lookup' AND prosecdef) \gexec

SELECT 'REVOKE ALL ON FUNCTION pgbouncer.user_lookup(text) FROM PUBLIC'
WHERE has_function_privilege('public', 'pgbouncer.user_lookup(text)', 'EXECUTE') \gexec
SELECT 'GRANT EXECUTE ON FUNCTION pgbouncer.user_lookup(text) TO pgbouncer'
WHERE NOT has_function_privilege('pgbouncer', 'pgbouncer.user_lookup(text)', 'EXECUTE') \gexec
