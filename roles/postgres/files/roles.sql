-- Roles and the database, in database postgres. Every statement runs only where the catalogue differs: a second run writes nothing.
SET synchronous_commit = local;
SET client_min_messages = warning;

\set wanted '(VALUES (''hustlex_owner'', false, false), (''hustlex'', false, false), (''replicator'', true, false), (''monitor'', false, false), (''backup'', false, false), (''restore'', false, true), (''pgbouncer'', false, false)) AS wanted(name, replication, createdb)'

SELECT format('CREATE ROLE %I LOGIN', name) FROM :wanted
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

SELECT format('ALTER ROLE %I LOGIN INHERIT NOSUPERUSER NOCREATEROLE NOBYPASSRLS %s %s', name,
              CASE WHEN createdb THEN 'CREATEDB' ELSE 'NOCREATEDB' END,
              CASE WHEN replication THEN 'REPLICATION' ELSE 'NOREPLICATION' END)
FROM :wanted JOIN pg_roles ON rolname = name
WHERE NOT rolcanlogin OR NOT rolinherit OR rolsuper OR rolcreaterole OR rolbypassrls
   OR rolcreatedb <> createdb OR rolreplication <> replication \gexec

-- backup reads everything for dumps; replicator may checkpoint and, for pg_rewind, read files, as a base backup does anyway;
-- restore makes a database beside the live one and takes its place: it owns what the owner owns and ends others' sessions.
SELECT format('GRANT %I TO %I', parent, member)
FROM (VALUES ('pg_monitor', 'monitor'), ('pg_read_all_data', 'backup'), ('pg_checkpoint', 'replicator'),
             ('hustlex_owner', 'restore'), ('pg_signal_backend', 'restore')) AS g(parent, member)
WHERE NOT pg_has_role(member, parent, 'MEMBER') \gexec

SELECT format('GRANT EXECUTE ON FUNCTION %s TO replicator', f::regprocedure)
FROM unnest(ARRAY['pg_ls_dir(text,boolean,boolean)', 'pg_stat_file(text,boolean)', 'pg_read_binary_file(text)',
                  'pg_read_binary_file(text,bigint,bigint,boolean)']) AS f
WHERE NOT has_function_privilege('replicator', f, 'EXECUTE') \gexec

SELECT 'CREATE DATABASE hustlex OWNER hustlex_owner TEMPLATE template0'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'hustlex') \gexec

-- What only a superuser may put into a database: a restore starts from a copy of it, so that it needs none.
SELECT 'CREATE DATABASE hustlex_template TEMPLATE template0 IS_TEMPLATE true'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'hustlex_template') \gexec

SELECT 'ALTER DATABASE hustlex OWNER TO hustlex_owner' FROM pg_database
WHERE datname = 'hustlex' AND datdba <> 'hustlex_owner'::regrole \gexec

SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', datname) FROM pg_database
WHERE datname IN ('hustlex', 'hustlex_template', 'postgres', 'template1')
  AND (has_database_privilege('public', datname, 'CONNECT') OR has_database_privilege('public', datname, 'TEMPORARY')) \gexec

SELECT format('GRANT %s ON DATABASE %I TO %I', privilege, datname, name)
FROM (VALUES ('hustlex', 'hustlex', 'CONNECT'), ('hustlex', 'hustlex', 'TEMPORARY'), ('hustlex', 'monitor', 'CONNECT'),
             ('hustlex', 'backup', 'CONNECT'), ('hustlex', 'pgbouncer', 'CONNECT'), ('postgres', 'monitor', 'CONNECT'),
             ('postgres', 'backup', 'CONNECT'), ('postgres', 'restore', 'CONNECT'), ('postgres', 'replicator', 'CONNECT')) AS g(datname, name, privilege)
WHERE NOT has_database_privilege(name, datname, privilege) \gexec
