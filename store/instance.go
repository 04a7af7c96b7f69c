package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

var errAlreadyDone = errors.New("committed before")

// instance is one agent among those that work on the same database. What only it writes hangs on its number: the last batch
// that it committed, and how far it has read (see Positions).
type instance struct {
	*database
	agent int64 // number of Options.Instance
}

// register finds or gives the number of the instance of this name.
func register(ctx context.Context, d *database, name string) (instance, error) {
	inst := instance{database: d}
	name = clean(name)
	find := func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT id FROM agents WHERE name = $1`, name).Scan(&inst.agent)
	}
	err := d.view(ctx, "look up this instance", find)
	if !errors.Is(err, sql.ErrNoRows) {
		return inst, err
	}
	err = d.update(ctx, "register this instance", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT INTO agents (name) VALUES ($1) ON CONFLICT (name) DO NOTHING`, name); err != nil {
			return err
		}
		return find(ctx, tx)
	})
	return inst, err
}

// LastSeq is the Seq of the last batch that this instance committed, 0 if none.
func (inst *instance) LastSeq(ctx context.Context) (seq int64, err error) {
	err = inst.view(ctx, "read the last batch's number", func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT seq FROM agents WHERE id = $1`, inst.agent).Scan(&seq)
	})
	return seq, err
}

// Resume is LastSeq for a start. On PostgreSQL it waits for the last transaction of an earlier run, which the server may
// still be finishing although that run was killed; Positions read before are not to be relied on.
func (inst *instance) Resume(ctx context.Context) (seq int64, err error) {
	err = inst.update(ctx, "read the last batch's number", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `UPDATE agents SET seq = seq WHERE id = $1 RETURNING seq`, inst.agent).Scan(&seq)
	})
	return seq, err
}

// takeSeq records the number of the batch. On PostgreSQL it waits for a lost transaction of this
// instance that the server has not finished yet, and then sees how that ended.
func (inst *instance) takeSeq(ctx context.Context, tx *sql.Tx, b *Batch) error {
	if b.Seq == 0 {
		return nil
	}
	result, err := tx.ExecContext(ctx, `UPDATE agents SET seq = $1 WHERE id = $2 AND seq = $3`, b.Seq, inst.agent, b.After)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n > 0 {
		return err
	}
	var last int64
	if err := tx.QueryRowContext(ctx, `SELECT seq FROM agents WHERE id = $1`, inst.agent).Scan(&last); err != nil {
		return err
	}
	if last == b.Seq {
		return errAlreadyDone
	}
	return fmt.Errorf("%w: the last batch in the database is %d, not %d", ErrOtherBatches, last, b.After)
}
