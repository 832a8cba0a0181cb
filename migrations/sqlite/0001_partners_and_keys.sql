CREATE TABLE `mapping_changes` (
	`destination_id` text NOT NULL,
	`seq` integer NOT NULL,
	`mapping_id` text NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`destination_id`, `seq`)
);
--> statement-breakpoint
CREATE TABLE `signing_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`public_key` text NOT NULL,
	`private_key` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
ALTER TABLE `destinations` ADD `change_seq` integer DEFAULT 0 NOT NULL;