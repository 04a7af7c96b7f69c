package store

import (
	"context"
	"database/sql"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// RuleLabel is the rule of what is blocked because a label file lists it. It is released when no file lists it any more, and
// not for being quiet.
const RuleLabel = "label"

// listStep is how many addresses of a label file one transaction lists or unlists.
const listStep = 500

// LabelFile is a file that has addresses blocked, under a label. The same path under another label is another file.
type LabelFile struct{ Path, Label string }

// Reason is why what the file lists is blocked.
func (f LabelFile) Reason() string { return fmt.Sprintf("listed as %q in %s", f.Label, f.Path) }

// Listing is an address or network that a label file lists.
type Listing struct {
	Address netip.Prefix
	Blocked bool // it is blocked, held or observed, for this reason or another
}

// ListedError says that label files keep an address or network on the blacklist.
type ListedError struct {
	Address netip.Prefix
	Files   []LabelFile // of any agent
}

// Error names the files.
func (e *ListedError) Error() string {
	var reasons []string
	for _, f := range e.Files {
		reasons = append(reasons, f.Reason())
	}
	return e.Address.String() + " is " + strings.Join(reasons, " and ")
}

// listed is what the label files of all agents list. It changes the blacklist with it, so that an address is on it as long as
// any file of any agent lists it.
type listed struct {
	*database
	self int64 // number of the instance whose files are listed and unlisted
}

// Listed gives what the label files of this instance list, each in the order of comparePrefix.
func (l *listed) Listed(ctx context.Context) (files map[LabelFile][]Listing, err error) {
	files = make(map[LabelFile][]Listing)
	err = l.view(ctx, "read what label files list", func(ctx context.Context, tx *sql.Tx) error {
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			var f LabelFile
			var one Listing
			err := rows.Scan(&f.Path, &f.Label, intoPrefix{&one.Address}, &one.Blocked)
			files[f] = append(files[f], one)
			return err
		}, `SELECT f.path, f.label, l.address, EXISTS (SELECT 1 FROM blacklist AS b WHERE b.address = l.address AND b.released_at IS NULL)
			FROM label_files AS f JOIN listed AS l ON l.file = f.id WHERE f.agent = $1`, l.self)
	})
	for _, list := range files {
		slices.SortFunc(list, func(a, b Listing) int { return comparePrefix(a.Address, b.Address) })
	}
	return files, err
}

// ListedIn gives the files of all agents that list exactly this address or network.
func (l *listed) ListedIn(ctx context.Context, address netip.Prefix) (files []LabelFile, err error) {
	if address, err = canonical(address); err != nil {
		return nil, err
	}
	err = l.view(ctx, "look up which label files list "+address.String(), func(ctx context.Context, tx *sql.Tx) error {
		files, err = listedIn(ctx, tx, address)
		return err
	})
	return files, err
}

func listedIn(ctx context.Context, q querier, address netip.Prefix) (files []LabelFile, err error) {
	err = forEach(ctx, q, func(rows *sql.Rows) error {
		var f LabelFile
		err := rows.Scan(&f.Path, &f.Label)
		files = append(files, f)
		return err
	}, `SELECT DISTINCT f.path, f.label FROM listed AS l JOIN label_files AS f ON f.id = l.file WHERE l.address = $1 ORDER BY f.path, f.label`, address.String())
	return files, err
}

// List notes that a file of this instance lists addresses, and blocks those that are not; what is held or observed becomes
// blocked, and what is blocked stays as it is. It gives how many became blocked. It goes in steps, each a transaction: an
// error leaves the addresses in order up to some step listed, and the rest not.
func (l *listed) List(ctx context.Context, file LabelFile, addresses []netip.Prefix, at time.Time) (blocked int, err error) {
	err = l.inSteps(ctx, addresses, "block what "+file.Path+" lists", func(ctx context.Context, c *change, step []netip.Prefix) error {
		var id int64
		if err := c.tx.QueryRowContext(ctx, `INSERT INTO label_files (agent, path, label) VALUES ($1, $2, $3)
			ON CONFLICT (agent, path, label) DO UPDATE SET label = excluded.label RETURNING id`, l.self, clean(file.Path), clean(file.Label)).Scan(&id); err != nil {
			return err
		}
		var rows [][]any
		reasons := make(map[netip.Prefix]string, len(step))
		for _, p := range step {
			rows = append(rows, []any{id, p.String()})
			reasons[p] = file.Reason()
		}
		if err := c.forRows(ctx, c.tx, `INSERT INTO listed (file, address) `, ` ON CONFLICT (file, address) DO NOTHING`, []string{"integer", "cidr"}, rows, nil); err != nil {
			return err
		}
		n, err := c.placeListed(ctx, reasons, at)
		blocked += n
		return err
	})
	return blocked, err
}

// placeListed blocks addresses for being listed, and gives how many were not blocked.
func (c *change) placeListed(ctx context.Context, reasons map[netip.Prefix]string, at time.Time) (blocked int, err error) {
	var blocks []Block
	for p, reason := range reasons {
		b, err := (&Block{Address: p, Rule: RuleLabel, Reason: reason, By: ByLabelFile, BlockedAt: at}).stored(at)
		if err != nil {
			return 0, err
		}
		blocks = append(blocks, b)
	}
	slices.SortFunc(blocks, func(a, b Block) int { return comparePrefix(a.Address, b.Address) })
	done, err := c.place(ctx, blocks)
	return len(done), err
}

// Unlist notes that a file of this instance does not list addresses any more, and releases for that reason those that were
// blocked for being listed and that no other file, of whatever agent, lists. With an empty reason nothing is released: that is
// for what may not be blocked any more, and is lifted. It gives how many were released, and goes in steps as List does.
func (l *listed) Unlist(ctx context.Context, file LabelFile, addresses []netip.Prefix, reason string, at time.Time) (released int, err error) {
	err = l.inSteps(ctx, addresses, "unlist what "+file.Path+" listed", func(ctx context.Context, c *change, step []netip.Prefix) error {
		var rows [][]any
		for _, p := range step {
			rows = append(rows, []any{l.self, clean(file.Path), clean(file.Label), p.String()})
		}
		if err := c.forRows(ctx, c.tx, `DELETE FROM listed WHERE (file, address) IN (SELECT f.id, t.column4 FROM (`,
			`) AS t JOIN label_files AS f ON f.agent = t.column1 AND f.path = t.column2 AND f.label = t.column3)`,
			[]string{"smallint", "text", "text", "cidr"}, rows, nil); err != nil {
			return err
		}
		if _, err := c.tx.ExecContext(ctx, `DELETE FROM label_files WHERE agent = $1 AND NOT EXISTS (SELECT 1 FROM listed WHERE file = label_files.id)`, l.self); err != nil {
			return err
		}
		if err := c.handOver(ctx, file, step, at); err != nil || reason == "" {
			return err
		}
		for part := range slices.Chunk(step, maxArgs/2) {
			w := where{terms: []string{"blocked_by = '" + ByLabelFile + "'", "NOT EXISTS (SELECT 1 FROM listed WHERE listed.address = blacklist.address)"}}
			w.addAddresses(part)
			list, err := c.release(ctx, ending{by: ByLabelFile, reason: reason, at: at}, w)
			if err != nil {
				return err
			}
			released += len(list)
		}
		return nil
	})
	return released, err
}

// UnlistAll does what Unlist does with all that the label files of another agent list, which is gone for good. One that comes back lists
// it again.
func (l *listed) UnlistAll(ctx context.Context, agent int64, reason string, at time.Time) (released int, err error) {
	of := &listed{l.database, agent}
	files, err := of.Listed(ctx)
	if err != nil {
		return 0, err
	}
	for file, list := range files {
		var addresses []netip.Prefix
		for _, one := range list {
			addresses = append(addresses, one.Address)
		}
		n, err := of.Unlist(ctx, file, addresses, reason, at)
		if released += n; err != nil {
			return released, err
		}
	}
	return released, nil
}

// handOver gives the blocks of addresses that a file listed, and others list, the reason of another.
func (c *change) handOver(ctx context.Context, from LabelFile, addresses []netip.Prefix, at time.Time) error {
	var rows [][]any
	for _, p := range addresses {
		rows = append(rows, []any{p.String(), clean(from.Reason())})
	}
	reasons, err := c.listedAmong(ctx, ` JOIN blacklist AS b ON b.address = t.column1 AND b.released_at IS NULL AND b.blocked_by = '`+ByLabelFile+`' AND b.reason = t.column2`,
		[]string{"cidr", "text"}, rows)
	if err != nil {
		return err
	}
	var updates, audit [][]any
	for p, reason := range reasons {
		if reason = clean(reason); reason != clean(from.Reason()) {
			updates = append(updates, []any{p.String(), reason, c.version})
			audit = append(audit, c.auditRow(Audit{at, "change", p, ByLabelFile, reason}))
		}
	}
	err = c.forRows(ctx, c.tx, `UPDATE blacklist SET reason = t.column2, version = t.column3 FROM (`,
		`) AS t WHERE address = t.column1 AND released_at IS NULL`, []string{"cidr", "text", "bigint"}, updates, nil)
	if err != nil {
		return err
	}
	return c.saveAudit(ctx, audit)
}

// listedAmong gives, of addresses in the first column of rows, those that files list, with the reason of the one that was
// known first. joined narrows them down.
func (c *change) listedAmong(ctx context.Context, joined string, types []string, rows [][]any) (reasons map[netip.Prefix]string, err error) {
	reasons, first := make(map[netip.Prefix]string), make(map[netip.Prefix]int64)
	err = c.forRows(ctx, c.tx, `SELECT l.address, f.id, f.path, f.label FROM (`,
		`) AS t JOIN listed AS l ON l.address = t.column1 JOIN label_files AS f ON f.id = l.file`+joined, types, rows, func(rows *sql.Rows) error {
			var p netip.Prefix
			var id int64
			var f LabelFile
			err := rows.Scan(intoPrefix{&p}, &id, &f.Path, &f.Label)
			if known, ok := first[p]; !ok || id < known {
				first[p], reasons[p] = id, f.Reason()
			}
			return err
		})
	return reasons, err
}

// keepListed blocks anew what was released for another reason than its listing while files list it.
func (c *change) keepListed(ctx context.Context, released []Entry, at time.Time) error {
	var rows [][]any
	for i := range released {
		rows = append(rows, []any{released[i].Address.String()})
	}
	reasons, err := c.listedAmong(ctx, "", []string{"cidr"}, rows)
	if err != nil || len(reasons) == 0 {
		return err
	}
	_, err = c.placeListed(ctx, reasons, at)
	return err
}

// inSteps makes a change of the blacklist of each step of addresses, with pauses for others who write.
func (l *listed) inSteps(ctx context.Context, addresses []netip.Prefix, doing string, do func(context.Context, *change, []netip.Prefix) error) error {
	all, err := canonicalAll(addresses)
	if err != nil {
		return l.failed(doing, err)
	}
	slices.SortFunc(all, comparePrefix)
	all = slices.Compact(all)
	for step := range slices.Chunk(all, listStep) {
		began := time.Now()
		err := l.update(ctx, doing, func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
			c, err := newChange(ctx, &l.dialect, tx)
			if err != nil {
				return err
			}
			return do(ctx, c, step)
		})
		if err != nil {
			return err
		}
		if err := yield(ctx, time.Since(began)); err != nil {
			return l.failed(doing, err)
		}
	}
	return nil
}

// addAddresses appends the condition that an entry is of one of these addresses, at most maxArgs of them.
func (w *where) addAddresses(addresses []netip.Prefix) {
	var marks []string
	for _, p := range addresses {
		marks = append(marks, w.arg(p.String()))
	}
	w.terms = append(w.terms, "address IN ("+strings.Join(marks, ",")+")")
}
