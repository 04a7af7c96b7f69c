package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
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
	if last < b.After {
		return fmt.Errorf("%w: the last batch in the database is %d, not %d", ErrLost, last, b.After)
	}
	return fmt.Errorf("%w: the last batch in the database is %d, not %d", ErrOtherBatches, last, b.After)
}

// MemoryPart is one part of what detection remembers for a day, whole, as it was when the batch of that number was committed.
// What it holds is the writer's affair.
type MemoryPart struct {
	Number int
	Seq    int64
	Data   []byte
}

// MemoryJournal is what detection was told to remember in one batch.
type MemoryJournal struct {
	Seq  int64
	Data []byte
}

// Memory gives what this instance remembers: the parts, and the journals in the order of their batches.
func (inst *instance) Memory(ctx context.Context) (parts []MemoryPart, journals []MemoryJournal, err error) {
	err = inst.view(ctx, "read what detection remembers", func(ctx context.Context, tx *sql.Tx) error {
		parts, journals = nil, nil
		err := forEach(ctx, tx, func(rows *sql.Rows) error {
			var p MemoryPart
			err := rows.Scan(&p.Number, &p.Seq, &p.Data)
			parts = append(parts, p)
			return err
		}, `SELECT part, seq, data FROM memory_parts WHERE agent = $1 ORDER BY part`, inst.agent)
		if err != nil {
			return err
		}
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			var j MemoryJournal
			err := rows.Scan(&j.Seq, &j.Data)
			journals = append(journals, j)
			return err
		}, `SELECT seq, data FROM memory_journal WHERE agent = $1 ORDER BY seq`, inst.agent)
	})
	return parts, journals, err
}

// saveMemory keeps what a batch has to remember, and drops the journals that all parts hold.
func (inst *instance) saveMemory(ctx context.Context, tx *sql.Tx, b *Batch) error {
	if len(b.Journal) > 0 {
		_, err := tx.ExecContext(ctx, `INSERT INTO memory_journal (agent, seq, data) VALUES ($1, $2, $3)`, inst.agent, b.Seq, b.Journal)
		if err != nil {
			return err
		}
	}
	for _, p := range b.MemoryParts {
		_, err := tx.ExecContext(ctx, `INSERT INTO memory_parts (agent, part, seq, data) VALUES ($1, $2, $3, $4)
			ON CONFLICT (agent, part) DO UPDATE SET seq = excluded.seq, data = excluded.data`, inst.agent, p.Number, b.Seq, p.Data)
		if err != nil {
			return err
		}
	}
	if b.JournalFrom == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `DELETE FROM memory_journal WHERE agent = $1 AND seq < $2`, inst.agent, b.JournalFrom)
	return err
}

// Position says how far a file was read. What the fields mean is the reader's affair; here they are
// kept as they are, also a path that is no UTF-8.
type Position struct {
	ID             int64 // unique within an instance
	Path           string
	Device, Inode  uint64
	Fingerprint    []byte
	FingerprintLen int
	Offset         int64
	Done           bool
	Updated        time.Time
	LastTime       time.Time // event time of its last line
}

// Positions gives all read positions of this instance, by ID.
func (inst *instance) Positions(ctx context.Context) (list []Position, err error) {
	err = inst.view(ctx, "read the positions", func(ctx context.Context, tx *sql.Tx) error {
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			var p Position
			var path []byte
			var device, inode int64
			err := rows.Scan(&p.ID, &path, &device, &inode, &p.Fingerprint, &p.FingerprintLen, &p.Offset, &p.Done,
				intoTime{&p.Updated}, intoTime{&p.LastTime})
			p.Path, p.Device, p.Inode = string(path), uint64(device), uint64(inode)
			list = append(list, p)
			return err
		}, `SELECT id, path, device, inode, fingerprint, fingerprint_len, file_offset, done, updated, last_time
			FROM positions WHERE agent = $1 ORDER BY id`, inst.agent)
	})
	return list, err
}

// savePositions adds or replaces positions and removes others. If one is there twice, the last counts.
func (inst *instance) savePositions(ctx context.Context, tx *sql.Tx, positions []Position, forget []int64) error {
	last := make(map[int64]int, len(positions))
	for i := range positions {
		last[positions[i].ID] = i
	}
	var rows [][]any
	for i, p := range positions {
		if last[p.ID] != i {
			continue // PostgreSQL refuses to update a row twice in one statement
		}
		print := p.Fingerprint
		if print == nil {
			print = []byte{}
		}
		rows = append(rows, []any{inst.agent, p.ID, []byte(p.Path), int64(p.Device), int64(p.Inode), print, p.FingerprintLen,
			p.Offset, p.Done, inst.stampOrNull(p.Updated), inst.stampOrNull(p.LastTime)})
	}
	err := inst.forRows(ctx, tx,
		`INSERT INTO positions (agent, id, path, device, inode, fingerprint, fingerprint_len, file_offset, done, updated, last_time) `,
		` ON CONFLICT (agent, id) DO UPDATE SET path = excluded.path, device = excluded.device, inode = excluded.inode,
			fingerprint = excluded.fingerprint, fingerprint_len = excluded.fingerprint_len, file_offset = excluded.file_offset,
			done = excluded.done, updated = excluded.updated, last_time = excluded.last_time`,
		[]string{"smallint", "bigint", "bytea", "bigint", "bigint", "bytea", "integer", "bigint", "boolean", "timestamptz", "timestamptz"}, rows, nil)
	if err != nil {
		return err
	}
	rows = nil
	for _, id := range forget {
		rows = append(rows, []any{inst.agent, id})
	}
	return inst.forRows(ctx, tx, `DELETE FROM positions WHERE (agent, id) IN (`, `)`, []string{"smallint", "bigint"}, rows, nil)
}
