package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// connectTimeout bounds a connection to one host of the URL.
const connectTimeout = 5 * time.Second

// poolSize is how many connections are open at most, unless the URL says pool_max_conns. A program uses
// one for its commits, one or two for readers, and more only while several searches run, of which the API allows twelve at once.
const poolSize = 20

// leastPool is what a smaller pool_max_conns is raised to: who reads the Sightings asks for another
// connection meanwhile, and would wait for the one he holds.
const leastPool = 4

// migrationLock is the key of the advisory lock that migrations hold, partitionLock of the one that
// making partitions holds, blocksLock of the one that looking whose the blocks are holds; any numbers will do that nobody else uses.
const (
	migrationLock = 0x61647f01
	partitionLock = 0x61647f02
	blocksLock    = 0x61647f03
)

// connectPostgres opens a pool of connections and makes sure that one can be had.
func connectPostgres(ctx context.Context, o Options) (*database, recordTable, error) {
	config, err := postgresConfig(o.URL)
	if err != nil {
		return nil, nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	conns := stdlib.OpenDBFromPool(pool)
	d := &database{
		dialect: dialect{
			kind:        kindPostgres,
			snapshot:    sql.LevelRepeatableRead,
			quietEnd:    `last_seen + quiet_for * interval '1 microsecond'`,
			day:         `interval '1 day'`,
			lastRecord:  `(SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM records_id)`,
			nextRecords: `SELECT setval('records_id', nextval('records_id') + $1 - 1)`,
			lowestRow:   `SELECT (SELECT 1 FROM records LIMIT 1)`,
			tableThere:  `SELECT count(*) FROM pg_class WHERE oid = to_regclass($1)`,
			anyTable:    `SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND relnamespace = current_schema()::regnamespace LIMIT 1`,
			lock:        fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, migrationLock),
		},
		readers: conns,
		writer:  conns,
		explain: func(err error) error { return err },
		close: func() error {
			err := conns.Close()
			pool.Close()
			return err
		},
		now:     time.Now,
		slowest: slowest,
		gate:    &gate{},
		place:   Place{Host: net.JoinHostPort(config.ConnConfig.Host, strconv.Itoa(int(config.ConnConfig.Port))), Database: config.ConnConfig.Database},
		folder:  filepath.Join(filepath.Dir(o.Path), RecordsFolder, postgresFolder),
	}
	if err := firstAnswer(ctx, pool, config); err != nil {
		return nil, nil, errors.Join(err, d.close())
	}
	now := func() time.Time { return d.now() }
	return d, &postgresRecords{dialect: &d.dialect, db: conns, days: days{db: conns, keep: o.KeepRecords, now: now, attachLimit: attachLimit}}, nil
}

// firstAnswer makes sure that a connection can be had, from whichever of the URL's hosts.
func firstAnswer(ctx context.Context, pool *pgxpool.Pool, config *pgxpool.Config) error {
	hosts := 1 + len(config.ConnConfig.Fallbacks)
	bounded, cancel := context.WithTimeout(ctx, time.Duration(hosts)*connectTimeout)
	defer cancel()
	err := pool.Ping(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return fmt.Errorf("%w (%w)", errTooSlow, err)
	}
	return err
}

// postgresConfig reads the URL and adds what we need. The reasons why a URL is wrong quote parts of it,
// so they are left out: it holds a password.
func postgresConfig(text string) (*pgxpool.Config, error) {
	if u, err := url.Parse(text); err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return nil, errors.New("the URL of the PostgreSQL database cannot be read: expected postgres://user:password@host:port/name?option=value, " +
			"with special characters of the password written as %XX")
	}
	config, err := pgxpool.ParseConfig(text)
	if err != nil {
		return nil, errors.New("the URL of the PostgreSQL database has a part that is not understood: " +
			"check the port, the options after the question mark and the files that they name")
	}
	c := config.ConnConfig
	if c.ConnectTimeout <= 0 || c.ConnectTimeout > connectTimeout {
		c.ConnectTimeout = connectTimeout
	}
	if u, err := url.Parse(text); err == nil && !u.Query().Has("pool_max_conns") {
		config.MaxConns = poolSize
	}
	config.MaxConns = max(config.MaxConns, leastPool)
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "activedefense"
	}
	config.AfterConnect = prepareSession
	return config, nil
}

// prepareSession lets the server notice within a minute that we are gone: a transaction of ours that
// nobody will ever end would keep its locks, and with them our own next start, waiting for hours. They are
// no startup parameters because connection poolers refuse unknown ones.
func prepareSession(ctx context.Context, conn *pgx.Conn) error {
	_, err := conn.Exec(ctx, `SET idle_in_transaction_session_timeout = '60s';
		SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3`)
	return err
}

// BlocksAgent is the counter that has the number of the agent in whose state_dir the files of records are. There is none while there are no blocks.
const BlocksAgent = "blocks_agent"

// arrange says how records are kept in PostgreSQL: in blocks, if that is asked for; if not, and some are there of before, as rows beside them; else as rows alone. An agent that
// would share blocks with another one is refused: the error wraps ErrShared.
func arrange(ctx context.Context, db *database, records recordTable, inst *instance, o Options) (recordTable, error) {
	rows, is := records.(*postgresRecords)
	if !is {
		return records, nil
	}
	if o.Instance != CommandLine && !o.AsIs {
		if err := inst.claim(ctx, o.Blocks); err != nil {
			return nil, err
		}
	}
	left := false
	err := db.view(ctx, "look how records are kept", func(ctx context.Context, tx *sql.Tx) (err error) {
		left, err = anyBlocks(ctx, tx)
		return err
	})
	if err != nil || !o.Blocks && !left {
		return records, err
	}
	beside := &postgresRows{postgresRecords: rows}
	blocks := newBlockRecords(db, beside)
	beside.Archive = blocks.archive
	if !o.Blocks {
		return rowsAgain{blocks, rows}, nil
	}
	return blocks, nil
}

// rowsAgain are records that are kept in rows from now on, and stand in blocks and files, too.
type rowsAgain struct {
	*blockRecords
	rows *postgresRecords
}

// ready implements recordTable.
func (t rowsAgain) ready(ctx context.Context, records []Record) error {
	return t.rows.ready(ctx, records)
}

// encode implements recordTable.
func (t rowsAgain) encode(agent int64, records []Record) (insertion, error) {
	return t.rows.encode(agent, records)
}

// anyBlocks tells whether there are blocks, or files of them.
func anyBlocks(ctx context.Context, tx *sql.Tx) (any bool, err error) {
	err = tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM blocks) OR EXISTS (SELECT 1 FROM record_files)`).Scan(&any)
	return any, err
}

// claim makes sure that nobody else has blocks in the database, and, where this agent is to keep blocks, notes that it has, for which it must be alone. Where it is to keep rows,
// that is noted no more when no blocks are left.
func (inst *instance) claim(ctx context.Context, blocks bool) error {
	return inst.update(ctx, "look whose the blocks of records are", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		if err := inst.unshared(ctx, tx); err != nil {
			return err
		}
		if !blocks {
			_, err := tx.ExecContext(ctx, `DELETE FROM counters WHERE name = $1 AND NOT EXISTS (SELECT 1 FROM blocks) AND NOT EXISTS (SELECT 1 FROM record_files)`, BlocksAgent)
			return err
		}
		var name, host string
		err := tx.QueryRowContext(ctx, `SELECT name, host FROM agent_signs WHERE agent <> $1 ORDER BY seen_at DESC LIMIT 1`, inst.agent).Scan(&name, &host)
		if err == nil {
			return fmt.Errorf("%w, and agent %q on %s is at work on it, too: set store.records: rows, or, if that one is gone for good: activedefense members forget %[2]s", ErrShared, name, host)
		}
		if !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO counters (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, BlocksAgent, inst.agent)
		return err
	})
}

// unshared makes sure that no other agent has blocks in the database. Until the transaction ends, none begins to.
func (inst *instance) unshared(ctx context.Context, tx *sql.Tx) error {
	if inst.kind != kindPostgres {
		return nil
	}
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock($1)`, blocksLock); err != nil {
		return err
	}
	var name, host string
	err := tx.QueryRowContext(ctx, `SELECT coalesce(s.name, a.name), coalesce(s.host, 'an unknown host') FROM counters AS c JOIN agents AS a ON a.id = c.value LEFT JOIN agent_signs AS s ON s.agent = a.id
		WHERE c.name = $1 AND a.id <> $2`, BlocksAgent, inst.agent).Scan(&name, &host)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return fmt.Errorf("%w, and agent %q on %s has its records in them: give this agent a database of its own, or, if that one is gone for good, with its records: activedefense members forget %[2]s", ErrShared, name, host)
}
