// Package migrations holds the database schemas as numbered SQL files, one folder a database:
// sqlite/NNNN_name.sql and postgres/NNNN_name.sql. Numbers begin at 1 and leave no gap; a file that was
// released is never edited again. Package store applies them, each in one transaction; this package
// knows nothing about databases.
package migrations

import "embed"

// Files holds the folders sqlite and postgres.
//
//go:embed sqlite/*.sql postgres/*.sql
var Files embed.FS
