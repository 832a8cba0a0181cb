CREATE TABLE "rate_counts" (
	"ends_at" timestamp (3) with time zone NOT NULL,
	"key" text COLLATE "C" NOT NULL,
	"gateway" text COLLATE "C" NOT NULL,
	"count" integer NOT NULL,
	CONSTRAINT "rate_counts_ends_at_key_gateway_pk" PRIMARY KEY("ends_at","key","gateway")
);
