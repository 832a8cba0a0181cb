CREATE TABLE `notification_messages` (
	`target_id` text NOT NULL,
	`seq` integer NOT NULL,
	`body` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`target_id`, `seq`)
);
--> statement-breakpoint
CREATE TABLE `notification_states` (
	`target_id` text NOT NULL,
	`dataflow_id` text NOT NULL,
	`state` text NOT NULL,
	`version` integer NOT NULL,
	PRIMARY KEY(`target_id`, `dataflow_id`)
);
--> statement-breakpoint
CREATE TABLE `notification_targets` (
	`id` text PRIMARY KEY NOT NULL,
	`sandbox_id` text NOT NULL,
	`name` text NOT NULL,
	`url` text NOT NULL,
	`secret` text NOT NULL,
	`events` text NOT NULL,
	`dataflow_ids` text NOT NULL,
	`queued_seq` integer DEFAULT 0 NOT NULL,
	`sent_seq` integer DEFAULT 0 NOT NULL,
	`dropped` integer DEFAULT 0 NOT NULL,
	`attempt` integer DEFAULT 0 NOT NULL,
	`failing_since` integer,
	`retry_at` integer,
	`last_error` text,
	`last_delivered_at` integer,
	`lease_owner` text,
	`lease_until` integer,
	`fence` integer DEFAULT 0 NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `notification_targets_created` ON `notification_targets` (`sandbox_id`,`created_at`,`id`);--> statement-breakpoint
CREATE TABLE `run_news` (
	`run_id` text NOT NULL,
	`seq` integer NOT NULL,
	PRIMARY KEY(`run_id`, `seq`)
);
