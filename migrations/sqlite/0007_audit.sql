CREATE TABLE `audit_log` (
	`seq` integer PRIMARY KEY NOT NULL,
	`at` integer NOT NULL,
	`sandbox_id` text,
	`token_id` text NOT NULL,
	`token_name` text NOT NULL,
	`operation` text NOT NULL,
	`client_operation` text,
	`target_type` text,
	`target_id` text,
	`before` text,
	`after` text,
	`outcome` text NOT NULL,
	`codes` text NOT NULL,
	`request_id` text NOT NULL,
	`previous_hash` text NOT NULL,
	`hash` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `audit_log_sandbox` ON `audit_log` (`sandbox_id`,`seq`);--> statement-breakpoint
CREATE INDEX `audit_log_target` ON `audit_log` (`target_id`,`seq`);--> statement-breakpoint
CREATE TABLE `run_totals` (
	`sandbox_id` text NOT NULL,
	`status` text NOT NULL,
	`bucket` integer NOT NULL,
	`runs` integer DEFAULT 0 NOT NULL,
	`rows` integer DEFAULT 0 NOT NULL,
	`bytes` integer DEFAULT 0 NOT NULL,
	`milliseconds` integer DEFAULT 0 NOT NULL,
	PRIMARY KEY(`sandbox_id`, `status`, `bucket`)
);
