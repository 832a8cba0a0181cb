CREATE TABLE `rate_counts` (
	`ends_at` integer NOT NULL,
	`key` text NOT NULL,
	`gateway` text NOT NULL,
	`count` integer NOT NULL,
	PRIMARY KEY(`ends_at`, `key`, `gateway`)
);
