-- Who may do what with the journal. compose.yaml runs this once, in a new database; elsewhere a superuser does:
--   psql --set service_password=... --set owner_password=... --dbname chartside --file roles.sql
-- The passwords come from files where no variable gives them, so that they stand in no command line.
\set ON_ERROR_STOP on
\if :{?service_password} \else \set service_password `cat /run/secrets/db_service` \endif
\if :{?owner_password} \else \set owner_password `cat /run/secrets/db_owner` \endif

-- Owns the tables: migrations, erasure and retention, run by a person or a job. Nothing serves as this role.
CREATE ROLE chartside_owner LOGIN PASSWORD :'owner_password';
-- Serves: reads and adds. It can alter nothing that was written, so that whoever takes the service over cannot either.
CREATE ROLE chartside LOGIN PASSWORD :'service_password';
-- Reads: auditors. Its members are people, each with a login of their own.
CREATE ROLE chartside_auditor NOLOGIN;

REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"DBNAME" TO chartside_owner, chartside, chartside_auditor;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO chartside_owner;
GRANT USAGE ON SCHEMA public TO chartside, chartside_auditor;
-- What each may do with the tables says grants.sql, after a migration has made them.
