DROP TABLE loans;
DROP TABLE savings;
DROP TABLE gigs;
