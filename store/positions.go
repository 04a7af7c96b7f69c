package store

import (
	"context"
	"database/sql"
	"time"
)

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
	err := inst.inChunks(ctx, tx,
		`INSERT INTO positions (agent, id, path, device, inode, fingerprint, fingerprint_len, file_offset, done, updated, last_time) VALUES `,
		` ON CONFLICT (agent, id) DO UPDATE SET path = excluded.path, device = excluded.device, inode = excluded.inode,
			fingerprint = excluded.fingerprint, fingerprint_len = excluded.fingerprint_len, file_offset = excluded.file_offset,
			done = excluded.done, updated = excluded.updated, last_time = excluded.last_time`,
		nil, rows, nil)
	if err != nil {
		return err
	}
	rows = nil
	for _, id := range forget {
		rows = append(rows, []any{inst.agent, id})
	}
	return inst.inChunks(ctx, tx, `DELETE FROM positions WHERE (agent, id) IN (VALUES `, `)`, []string{"smallint", "bigint"}, rows, nil)
}
