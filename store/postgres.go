package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
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
// making partitions holds; any numbers will do that nobody else uses.
const (
	migrationLock = 0x61647f01
	partitionLock = 0x61647f02
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
			kind:       kindPostgres,
			snapshot:   sql.LevelRepeatableRead,
			quietEnd:   `last_seen + quiet_for * interval '1 microsecond'`,
			lastRecord: `(SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM records_id)`,
			tableThere: `SELECT count(*) FROM pg_class WHERE oid = to_regclass($1)`,
			anyTable:   `SELECT relname FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND relnamespace = current_schema()::regnamespace LIMIT 1`,
			lock:       fmt.Sprintf(`SELECT pg_advisory_xact_lock(%d)`, migrationLock),
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
