-- What the roles of roles.sql may do with the tables of the journal. Run as their owner after every migration; running it
-- again changes nothing.
\set ON_ERROR_STOP on

GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO chartside;
-- Which version the tables have is for the owner to write.
REVOKE INSERT ON alembic_version FROM chartside;
-- The tokens that were used, until they expire: no record of anything, and swept by the service.
GRANT DELETE ON seen_tokens TO chartside;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO chartside_auditor;
