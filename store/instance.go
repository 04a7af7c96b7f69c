package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

var errAlreadyDone = errors.New("committed before")

// instance is one agent among those that work on the same database. What only it writes hangs on its number: the last batch
// that it committed, and how far it has read (see Positions).
type instance struct {
	*database
	agent int64 // number of Options.Instance
}

// find gives the number of the instance of this name; sql.ErrNoRows: it has none.
func find(ctx context.Context, d *database, name string) (instance, error) {
	inst := instance{database: d}
	err := d.view(ctx, "look up this instance", func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT id FROM agents WHERE name = $1`, clean(name)).Scan(&inst.agent)
	})
	return inst, err
}

// register finds or gives the number of the instance of this name.
func register(ctx context.Context, d *database, name string) (instance, error) {
	inst, err := find(ctx, d, name)
	if !errors.Is(err, sql.ErrNoRows) {
		return inst, err
	}
	err = d.update(ctx, "register this instance", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO agents (name) VALUES ($1) ON CONFLICT (name) DO NOTHING`, clean(name))
		return err
	})
	if err != nil {
		return inst, err
	}
	return find(ctx, d, name)
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

// Sign is what an agent says of itself to those that share its database.
type Sign struct {
	Name      string // as operators call it; several may be called the same
	Host      string // on which it runs
	Version   string // of the program
	Firewalls []string
	Uptime    time.Duration // since it was started
	Behind    string        // what it has not read yet; "": nothing
}

// Guarded is an address or network that an agent never blocks.
type Guarded struct {
	Agent   string // its name
	Address netip.Prefix
	What    string // what it is there, as it reads after "is"
}

// Member is an agent that has said of itself what a Sign holds, and was not forgotten. Its times are those of the database's
// clock, whatever the hosts' clocks say; of SQLite this host's.
type Member struct {
	ID        int64
	Name      string
	Host      string
	Version   string
	Firewalls []string
	Started   time.Time
	Seen      time.Time     // its last sign of life
	Silence   time.Duration // since then, when Members was asked
	Behind    string        // what it has not read yet; "": nothing
	Guarded   int           // addresses and networks that it never blocks
	Self      bool          // the instance that asks
}

// clock is the time of the database's server, which is the same for all agents on it; of SQLite this host's.
func (d *database) clock(ctx context.Context, tx *sql.Tx) (now time.Time, err error) {
	if d.kind == kindSQLite {
		return d.now(), nil
	}
	err = tx.QueryRowContext(ctx, `SELECT clock_timestamp()`).Scan(&now)
	return now, err
}

// ServerTime is the time of the database's server, and of SQLite, which has none, the zero time.
func (inst *instance) ServerTime(ctx context.Context) (now time.Time, err error) {
	if inst.kind == kindSQLite {
		return now, nil
	}
	err = inst.view(ctx, "ask for the time of the database's server", func(ctx context.Context, tx *sql.Tx) error {
		now, err = inst.clock(ctx, tx)
		return err
	})
	return now, err
}

// Announce says who this instance is, and what it never blocks: each address once, what comes first counts. What it said before is
// replaced. Where another agent has come to keep its records in blocks meanwhile, the error wraps ErrShared.
func (inst *instance) Announce(ctx context.Context, s Sign, guard []Guarded) error {
	want := make(map[netip.Prefix]string, len(guard))
	for _, g := range guard {
		address, err := canonical(g.Address)
		if err != nil {
			return err
		}
		if _, named := want[address]; !named {
			want[address] = clean(g.What)
		}
	}
	return inst.update(ctx, "say what this agent is", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		if inst.kind == kindSQLite { // its file is one agent's, whatever that was called before
			for _, table := range []string{"agent_guards", "agent_signs"} {
				if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE agent <> $1`, inst.agent); err != nil {
					return err
				}
			}
		}
		if err := inst.unshared(ctx, tx); err != nil {
			return err
		}
		now, err := inst.clock(ctx, tx)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO agent_signs (agent, name, host, version, firewalls, started_at, seen_at, behind) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (agent) DO UPDATE SET name = excluded.name, host = excluded.host, version = excluded.version, firewalls = excluded.firewalls,
				started_at = excluded.started_at, seen_at = excluded.seen_at, behind = excluded.behind`,
			inst.agent, clean(s.Name), clean(s.Host), clean(s.Version), clean(strings.Join(s.Firewalls, "\n")), inst.stamp(now.Add(-s.Uptime)), inst.stamp(now), clean(s.Behind))
		if err != nil {
			return err
		}
		return inst.saveGuard(ctx, tx, want)
	})
}

// saveGuard makes what is kept of the guard what is wanted. Only what differs is written.
func (inst *instance) saveGuard(ctx context.Context, tx *sql.Tx, want map[netip.Prefix]string) error {
	same := make(map[netip.Prefix]bool, len(want))
	var gone, rows [][]any
	err := forEach(ctx, tx, func(rows *sql.Rows) error {
		var g Guarded
		err := rows.Scan(intoPrefix{&g.Address}, &g.What)
		if what, wanted := want[g.Address]; wanted && what == g.What {
			same[g.Address] = true
		} else {
			gone = append(gone, []any{inst.agent, g.Address.String()})
		}
		return err
	}, `SELECT address, what FROM agent_guards WHERE agent = $1`, inst.agent)
	if err != nil {
		return err
	}
	for address, what := range want {
		if !same[address] {
			rows = append(rows, []any{inst.agent, address.String(), what})
		}
	}
	if len(gone)+len(rows) == 0 {
		return nil
	}
	if err := inst.forRows(ctx, tx, `DELETE FROM agent_guards WHERE (agent, address) IN (`, `)`, []string{"smallint", "cidr"}, gone, nil); err != nil {
		return err
	}
	if err := inst.forRows(ctx, tx, `INSERT INTO agent_guards (agent, address, what) `, ``, []string{"smallint", "cidr", "text"}, rows, nil); err != nil {
		return err
	}
	return guardsChanged(ctx, tx)
}

// guardsChanged has all agents read anew what is never blocked.
func guardsChanged(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, `UPDATE counters SET value = value + 1 WHERE name = 'guards'`)
	return err
}

// SignOfLife says that this instance lives, and what it has not read yet. It is not known when it never announced itself, or was forgotten
// since.
func (inst *instance) SignOfLife(ctx context.Context, behind string) (known bool, err error) {
	err = inst.update(ctx, "give a sign of life", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		now, err := inst.clock(ctx, tx)
		if err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `UPDATE agent_signs SET seen_at = $1, behind = $2 WHERE agent = $3`, inst.stamp(now), clean(behind), inst.agent)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		known = n > 0
		return err
	})
	return known, err
}

// Guards gives what the other agents never block, also those that are silent, in order of agent and address.
func (inst *instance) Guards(ctx context.Context) (list []Guarded, err error) {
	err = inst.view(ctx, "read what other agents never block", func(ctx context.Context, tx *sql.Tx) error {
		list = nil
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			var g Guarded
			err := rows.Scan(&g.Agent, intoPrefix{&g.Address}, &g.What)
			list = append(list, g)
			return err
		}, `SELECT s.name, g.address, g.what FROM agent_guards AS g JOIN agent_signs AS s ON s.agent = g.agent WHERE g.agent <> $1`, inst.agent)
	})
	slices.SortFunc(list, func(a, b Guarded) int {
		return cmp.Or(cmp.Compare(a.Agent, b.Agent), comparePrefix(a.Address, b.Address), cmp.Compare(a.What, b.What))
	})
	return list, err
}

// Members gives the agents on this database, by name.
func (inst *instance) Members(ctx context.Context) (list []Member, err error) {
	err = inst.view(ctx, "read which agents there are", func(ctx context.Context, tx *sql.Tx) error {
		list = nil
		now, err := inst.clock(ctx, tx)
		if err != nil {
			return err
		}
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			var m Member
			var firewalls string
			err := rows.Scan(&m.ID, &m.Name, &m.Host, &m.Version, &firewalls, intoTime{&m.Started}, intoTime{&m.Seen}, &m.Behind, &m.Guarded)
			m.Silence, m.Self = max(now.Sub(m.Seen), 0), m.ID == inst.agent
			if firewalls != "" {
				m.Firewalls = strings.Split(firewalls, "\n")
			}
			list = append(list, m)
			return err
		}, `SELECT agent, name, host, version, firewalls, started_at, seen_at, behind, (SELECT count(*) FROM agent_guards AS g WHERE g.agent = s.agent)
			FROM agent_signs AS s`)
	})
	slices.SortFunc(list, func(a, b Member) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID)) })
	return list, err
}

// Forget forgets an agent that has given no sign of life for so long, with what it never blocks and what its
// firewalls named that no other agent has. One that has, meanwhile, is left as it is:
// forgotten is false. An agent that comes back announces itself anew.
func (inst *instance) Forget(ctx context.Context, id int64, silence time.Duration) (forgotten bool, err error) {
	err = inst.update(ctx, "forget an agent", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		forgotten = false
		now, err := inst.clock(ctx, tx)
		if err != nil {
			return err
		}
		// It takes the row first, so that an agent that comes back waits, and finds that it is not known.
		result, err := tx.ExecContext(ctx, `UPDATE agent_signs SET behind = behind WHERE agent = $1 AND seen_at <= $2`, id, inst.stamp(now.Add(-silence)))
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return err
		}
		firewalls, err := firewallsOf(ctx, tx, id)
		if err != nil {
			return err
		}
		for _, table := range []string{"agent_guards", "agent_signs", "notices", "notice_receivers", "notice_troubles"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE agent = $1`, id); err != nil {
				return err
			}
		}
		if _, err := tx.ExecContext(ctx, `DELETE FROM counters WHERE name = $1 AND value = $2`, BlocksAgent, id); err != nil {
			return err
		}
		for _, firewall := range firewalls {
			for _, table := range []string{"protected_asked", "protected"} { // in the order of SaveProtected
				if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE firewall = $1`, firewall); err != nil {
					return err
				}
			}
		}
		forgotten = true
		return guardsChanged(ctx, tx)
	})
	return forgotten, err
}

// firewallsOf gives the firewalls of an agent that no other one has.
func firewallsOf(ctx context.Context, tx *sql.Tx, id int64) (own []string, err error) {
	others := make(map[string]bool)
	err = forEach(ctx, tx, func(rows *sql.Rows) error {
		var agent int64
		var firewalls string
		err := rows.Scan(&agent, &firewalls)
		for name := range strings.Lines(firewalls) {
			if name = strings.TrimSuffix(name, "\n"); agent == id {
				own = append(own, name)
			} else {
				others[name] = true
			}
		}
		return err
	}, `SELECT agent, firewalls FROM agent_signs`)
	return slices.DeleteFunc(own, func(name string) bool { return others[name] }), err
}
