package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// What notices that the store writes itself tell of; others are the caller's.
const (
	EventBlock    = "block"           // it is blocked
	EventHeld     = "held"            // it waits for a person
	EventReleased = "release-by-hand" // a person took it off the blacklist
	EventNotice   = "notice"          // a rule found it that only tells, or something else is told
)

// Notice is what people and other programs are to be told: once at least, and each time under the same ID.
type Notice struct {
	Number  int64     `json:"-"` // its place in the order of the commits; of one that was not stored 0
	ID      string    `json:"-"` // letters and digits; empty: one is given when it is stored
	Event   string    `json:"-"`
	Time    time.Time `json:"-"`
	Stands  int64     `json:"-"`                 // how many it stands for: more than 1 where those are no longer kept singly
	Subject string    `json:"subject,omitempty"` // one sentence without a full stop; empty for what is on the blacklist, which the other fields tell
	Remedy  string    `json:"remedy,omitempty"`  // what a person can do
	Since   time.Time `json:"since,omitzero"`    // when it began
	Over    bool      `json:"over,omitempty"`    // it has ended

	Address string    `json:"address,omitempty"`
	Source  string    `json:"source,omitempty"` // of an IPv6 network as which a source is blocked, its address that was seen last
	Rule    string    `json:"rule,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Hold    string    `json:"hold,omitempty"`    // why a person has to decide
	Allowed string    `json:"allowed,omitempty"` // what on the allow-list released it; empty: nothing did
	By      string    `json:"by,omitempty"`
	Grade   string    `json:"grade,omitempty"`
	Target  string    `json:"target,omitempty"`
	Device  string    `json:"device,omitempty"`
	Country string    `json:"country,omitempty"`
	Hits    int64     `json:"hits,omitempty"`
	Seen    time.Time `json:"seen,omitzero"`   // its last activity
	Lines   []string  `json:"lines,omitempty"` // the first of the log, and no more than some bytes of each
}

const (
	noticeLines   = 3   // of the log go into a notice
	noticeLineLen = 700 // bytes of each
)

// noticesOf tells of blocks that were placed. What is only observed is no news.
func noticesOf(placed []*Block) (list []Notice) {
	for _, b := range placed {
		if b.State == Observed {
			continue
		}
		n := b.Notice(EventBlock)
		if b.State == Held {
			n.Event, n.Hold = EventHeld, b.Hold
		}
		list = append(list, n)
	}
	return list
}

// Notice tells of a block, or, as another event, of what would have been one.
func (b *Block) Notice(event string) Notice {
	n := Notice{Event: event, Time: b.BlockedAt, Address: addressText(b.Address), Rule: b.Rule, Reason: b.Reason, By: b.By, Grade: b.Grade.String(),
		Target: b.Target, Device: b.Device, Country: b.Country, Hits: b.Hits, Seen: clamp(b.LastSeen)}
	if b.Address.Addr().Is6() && len(b.Members) > 0 && b.Rule != RuleNeighbourhood {
		n.Source = b.Members[0].String()
	}
	for _, e := range b.Evidence[:min(len(b.Evidence), noticeLines)] {
		n.Lines = append(n.Lines, clipped(clean(e.Line), noticeLineLen))
	}
	return n
}

// noteTold puts into the audit trail of whom a rule told that blocks nobody: nothing else of it stays here where nobody is to be told.
func (d *database) noteTold(ctx context.Context, tx *sql.Tx, notices []Notice) error {
	var rows [][]any
	for i := range notices {
		n := &notices[i]
		if n.Event != EventNotice || n.Address == "" { // one that tells of many names none
			continue
		}
		address, err := prefixOf(n.Address)
		if err != nil {
			return err
		}
		rows = append(rows, []any{d.stamp(n.Time), "notice", address.String(), clean(n.By), clean("rule " + n.Rule + ": " + n.Reason)})
	}
	return (&change{dialect: &d.dialect, tx: tx}).saveAudit(ctx, rows)
}

// prefixOf reads what addressText wrote.
func prefixOf(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(text)
}

// noticeOf tells what a person did with an entry.
func noticeOf(event, by string, at time.Time, e *Entry) Notice {
	n := Notice{Event: event, Time: at, Address: addressText(e.Address), Rule: e.Rule, Reason: e.Reason, By: by, Grade: e.Grade.String(), Target: e.Target, Device: e.Device, Hits: e.Hits, Seen: e.LastSeen}
	if event == EventReleased {
		n.Reason = e.ReleaseReason
	}
	return n
}

// addressText writes a single address without its length.
func addressText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// clipped gives at most so many bytes of a text, and whole characters.
func clipped(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "..."
}

// tell writes notices in the transaction of what they tell. Without a receiver of this agent there is nothing to write; what the
// command line changes, the first agent tells that has any. The counter's row is a lock, taken after that of the blacklist's
// version, so that numbers become visible in their order.
func (d *database) tell(ctx context.Context, tx *sql.Tx, notices []Notice) error {
	if len(notices) == 0 {
		return nil
	}
	var last, agent int64
	guest := 0
	if d.guest {
		guest = 1
	}
	err := tx.QueryRowContext(ctx, `UPDATE counters SET value = value + $1 WHERE name = 'notices' AND EXISTS (SELECT 1 FROM notice_receivers WHERE agent = $2 OR $3 = 1)
		RETURNING value, (SELECT min(agent) FROM notice_receivers WHERE agent = $2 OR $3 = 1)`, int64(len(notices)), d.teller, guest).Scan(&last, &agent)
	if err == sql.ErrNoRows {
		return nil
	}
	if err != nil {
		return err
	}
	var rows [][]any
	for i := range notices {
		n := &notices[i]
		if n.ID == "" {
			n.ID = rand.Text()
		}
		content, err := json.Marshal(n)
		if err != nil {
			return err
		}
		rows = append(rows, []any{last - int64(len(notices)-1-i), agent, n.ID, clean(n.Event), d.stamp(n.Time), max(n.Stands, 1), clean(string(content))})
	}
	return d.forRows(ctx, tx, `INSERT INTO notices (id, agent, key, event, time, stands_for, content) `, ``,
		[]string{"bigint", "smallint", "text", "text", "timestamptz", "bigint", "text"}, rows, nil)
}

// Replaced says what became of what waited for a receiver that is gone.
type Replaced struct {
	Name    string   // of the one that is gone
	Waiting int64    // notices written since it had everything, whether it wanted them or not
	By      []string // those that get what waited for it; none: it is dropped
}

// SetReceivers says who is to have this instance's notices, each by a name that stays; the first word of it is its kind. One that is new goes on where those of its
// kind that are gone had got to, so that one that was only corrected misses nothing; where none is gone, it gets those that come from now on. What became of those that
// are gone is given. Without any receiver the troubles that were told are forgotten, too.
func (s *Store) SetReceivers(ctx context.Context, names []string) (gone []Replaced, err error) {
	err = s.update(ctx, "note who gets notices", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) (err error) {
		if s.kind == kindSQLite { // its file is one agent's, whatever that was called before: what waits goes on waiting
			for _, table := range []string{"notices", "notice_receivers", "notice_troubles"} {
				if _, err := tx.ExecContext(ctx, `UPDATE OR REPLACE `+table+` SET agent = $1 WHERE agent <> $1`, s.agent); err != nil {
					return err
				}
			}
		}
		gone, err = s.replaceReceivers(ctx, tx, names)
		if err != nil || len(names) > 0 {
			return err
		}
		for _, table := range []string{"notices", "notice_troubles"} {
			if _, err := tx.ExecContext(ctx, `DELETE FROM `+table+` WHERE agent = $1`, s.agent); err != nil {
				return err
			}
		}
		return nil
	})
	return gone, err
}

// place is how far a receiver has got.
type place struct {
	position int64
	state    string
}

// replaceReceivers makes the receivers those of these names.
func (s *Store) replaceReceivers(ctx context.Context, tx *sql.Tx, names []string) (gone []Replaced, err error) {
	known, err := s.receivers(ctx, tx)
	if err != nil {
		return nil, err
	}
	var now place
	if err := tx.QueryRowContext(ctx, `SELECT value FROM counters WHERE name = 'notices'`).Scan(&now.position); err != nil {
		return nil, err
	}
	left := make(map[string]place) // by kind: where those that are gone had got to
	var lost, rows [][]any
	for name, at := range known {
		if slices.Contains(names, name) {
			continue
		}
		one := Replaced{Name: name}
		if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM notices WHERE agent = $1 AND id > $2`, s.agent, at.position).Scan(&one.Waiting); err != nil {
			return nil, err
		}
		gone, lost = append(gone, one), append(lost, []any{s.agent, name})
		if before, several := left[kindOf(name)]; several { // what either had to remember is not for the other's
			at = place{position: min(before.position, at.position)}
		}
		left[kindOf(name)] = at
	}
	added := make(map[string]bool)
	for _, name := range names {
		if _, stays := known[name]; stays || added[name] {
			continue
		}
		added[name] = true
		at, takesOver := left[kindOf(name)]
		if !takesOver {
			at = now
		}
		rows = append(rows, []any{s.agent, clean(name), at.position, at.state})
		for i := range gone {
			if kindOf(gone[i].Name) == kindOf(name) {
				gone[i].By = append(gone[i].By, name)
			}
		}
	}
	if err := s.forRows(ctx, tx, `DELETE FROM notice_receivers WHERE (agent, name) IN (`, `)`, []string{"smallint", "text"}, lost, nil); err != nil {
		return nil, err
	}
	slices.SortFunc(gone, func(a, b Replaced) int { return strings.Compare(a.Name, b.Name) })
	return gone, s.forRows(ctx, tx, `INSERT INTO notice_receivers (agent, name, position, state) `, ` ON CONFLICT (agent, name) DO NOTHING`, []string{"smallint", "text", "bigint", "text"}, rows, nil)
}

// kindOf is the first word of a receiver's name.
func kindOf(name string) string {
	kind, _, _ := strings.Cut(name, " ")
	return kind
}

func (s *Store) receivers(ctx context.Context, tx *sql.Tx) (known map[string]place, err error) {
	known = make(map[string]place)
	err = forEach(ctx, tx, func(rows *sql.Rows) error {
		var name string
		var at place
		err := rows.Scan(&name, &at.position, &at.state)
		known[name] = at
		return err
	}, `SELECT name, position, state FROM notice_receivers WHERE agent = $1`, s.agent)
	return known, err
}

// Queue is what a receiver has not got yet.
type Queue struct {
	Notices []Notice  // the first of them, in their order
	Upto    int64     // when these are delivered, it has everything up to this number
	Waiting int64     // how many there are, these included
	Oldest  time.Time // when the first of them was written; zero: none waits
	State   string    // what it had to remember, see Delivered
}

// Undelivered gives what a receiver of this instance has not got yet of these events (none: of all), at most so many, and only what comes behind the number after.
func (s *Store) Undelivered(ctx context.Context, receiver string, events []string, after int64, most int) (q Queue, err error) {
	err = s.view(ctx, "read the notices for "+receiver, func(ctx context.Context, tx *sql.Tx) error {
		q = Queue{}
		var position int64
		err := tx.QueryRowContext(ctx, `SELECT position, state, coalesce((SELECT max(id) FROM notices WHERE agent = $1), 0) FROM notice_receivers WHERE agent = $1 AND name = $2`,
			s.agent, receiver).Scan(&position, &q.State, &q.Upto)
		if err != nil {
			return err
		}
		position = max(position, after)
		q.Upto = max(q.Upto, position)
		w := where{}
		w.add("agent = ?", s.agent)
		w.add("id > ?", position)
		var wanted []string
		for _, e := range events {
			wanted = append(wanted, w.arg(e))
		}
		if len(wanted) > 0 {
			w.terms = append(w.terms, "event IN ("+strings.Join(wanted, ",")+")")
		}
		ranked := w.clone()
		err = forEach(ctx, tx, func(rows *sql.Rows) error {
			var n Notice
			var content string
			if err := rows.Scan(&n.Number, &n.ID, &n.Event, intoTime{&n.Time}, &n.Stands, &content); err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(content), &n); err != nil {
				return fmt.Errorf("notice %d is damaged: %w", n.Number, err)
			}
			q.Notices = append(q.Notices, n)
			return nil
		}, `SELECT id, key, event, time, stands_for, content FROM notices`+ranked.String()+` ORDER BY id LIMIT `+ranked.arg(int64(most)), ranked.args...)
		if err != nil || len(q.Notices) == 0 {
			return err
		}
		q.Oldest, q.Waiting = q.Notices[0].Time, int64(len(q.Notices))
		if len(q.Notices) < most {
			return nil
		}
		q.Upto = q.Notices[len(q.Notices)-1].Number
		return tx.QueryRowContext(ctx, `SELECT count(*) FROM notices`+w.String(), w.args...).Scan(&q.Waiting)
	})
	return q, err
}

// LastNotice is the number of the newest notice, of any instance; 0: there was never one.
func (s *Store) LastNotice(ctx context.Context) (number int64, err error) {
	err = s.view(ctx, "look for notices", func(ctx context.Context, tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `SELECT value FROM counters WHERE name = 'notices'`).Scan(&number)
	})
	return number, err
}

// Delivered notes that a receiver has everything up to this number, and what else it has to remember. It never goes back.
func (s *Store) Delivered(ctx context.Context, receiver string, upto int64, state string) error {
	return s.update(ctx, "note what "+receiver+" has", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE notice_receivers SET position = CASE WHEN position > $1 THEN position ELSE $1 END, state = $2 WHERE agent = $3 AND name = $4`,
			upto, clean(state), s.agent, receiver)
		return err
	})
}

// noticeStep is how many notices one transaction removes.
const noticeStep = 5000

// PruneNotices removes the notices of this instance that all of its receivers have. Of more than so many that are left, the oldest of what tells of the blacklist
// become one, which stands for them. It goes in steps between which others can write.
func (s *Store) PruneNotices(ctx context.Context, most int) error {
	for {
		began, more := time.Now(), false
		err := s.update(ctx, "remove delivered notices", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) (err error) {
			more, err = s.pruneNotices(ctx, tx, most)
			return err
		})
		if err != nil || !more {
			return err
		}
		if err := yield(ctx, time.Since(began)); err != nil {
			return s.failed("remove delivered notices", err)
		}
	}
}

// pruneNotices does one step of PruneNotices, and tells whether there is another one.
func (s *Store) pruneNotices(ctx context.Context, tx *sql.Tx, most int) (more bool, err error) {
	result, err := tx.ExecContext(ctx, `DELETE FROM notices WHERE id IN (SELECT id FROM notices WHERE agent = $1 AND id <= (SELECT min(position) FROM notice_receivers WHERE agent = $1)
		ORDER BY id LIMIT $2)`, s.agent, int64(noticeStep))
	if err != nil {
		return false, err
	}
	if n, err := result.RowsAffected(); err != nil || n == noticeStep {
		return true, err
	}
	var left int
	if err := tx.QueryRowContext(ctx, `SELECT count(*) FROM notices WHERE agent = $1`, s.agent).Scan(&left); err != nil || left <= most {
		return false, err
	}
	folded, err := s.foldNotices(ctx, tx, min(left-most, noticeStep))
	return folded == noticeStep, err
}

// foldNotices makes one notice of the oldest n and one more, as far as they tell of the blacklist, and gives how many fewer there are then.
func (s *Store) foldNotices(ctx context.Context, tx *sql.Tx, n int) (fewer int64, err error) {
	const oldest = `SELECT id, time, stands_for FROM notices WHERE agent = $1 AND event IN ('block', 'held', 'release-by-hand') ORDER BY id LIMIT $2`
	var last, stands sql.NullInt64
	var since, until time.Time
	err = tx.QueryRowContext(ctx, `SELECT max(id), CAST(sum(stands_for) AS bigint), min(time), max(time) FROM (`+oldest+`) AS t`, s.agent, int64(n+1)).Scan(&last, &stands, intoTime{&since}, intoTime{&until})
	if err != nil || !last.Valid {
		return 0, err
	}
	content, err := json.Marshal(Notice{Since: since,
		Subject: fmt.Sprintf("%d notices of blocks, holds and releases from %s to %s are not told one by one, for nobody took them", stands.Int64, since.Format(time.RFC3339), until.Format(time.RFC3339)),
		Remedy:  "activedefense blacklist list --all has them"})
	if err != nil {
		return 0, err
	}
	if _, err := tx.ExecContext(ctx, `UPDATE notices SET key = $1, event = 'block', stands_for = $2, content = $3 WHERE id = $4`, rand.Text(), stands.Int64, string(content), last.Int64); err != nil {
		return 0, err
	}
	result, err := tx.ExecContext(ctx, `DELETE FROM notices WHERE agent = $1 AND id < $2 AND event IN ('block', 'held', 'release-by-hand')`, s.agent, last.Int64)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// ToldTrouble is a trouble of which it is told that it has begun, or, where its notice says so, that it is over.
type ToldTrouble struct {
	Key    string // tells it from others
	Notice Notice
}

// TellTroubles writes the notices of troubles, in their order, each once: what is told to have begun is not told again before it is over, and only what was
// told to have begun is over.
func (s *Store) TellTroubles(ctx context.Context, troubles ...ToldTrouble) error {
	return s.update(ctx, "write notices of troubles", func(ctx context.Context, _ *sql.Conn, tx *sql.Tx) error {
		var notices []Notice
		for _, t := range troubles {
			query, args := `DELETE FROM notice_troubles WHERE agent = $1 AND key = $2`, []any{s.agent, clean(t.Key)}
			if !t.Notice.Over {
				content, err := json.Marshal(trouble{t.Notice.Event, t.Notice})
				if err != nil {
					return err
				}
				query, args = `INSERT INTO notice_troubles (agent, key, content) VALUES ($1, $2, $3) ON CONFLICT (agent, key) DO NOTHING`, append(args, clean(string(content)))
			}
			result, err := tx.ExecContext(ctx, query, args...)
			if err != nil {
				return err
			}
			if n, err := result.RowsAffected(); err != nil {
				return err
			} else if n > 0 {
				notices = append(notices, t.Notice)
			}
		}
		return s.tell(ctx, tx, notices)
	})
}

// trouble is a told one as it is stored.
type trouble struct {
	Event  string `json:"event"`
	Notice Notice `json:"notice"`
}

// ToldTroubles gives what this instance has told to have begun, and not to be over.
func (s *Store) ToldTroubles(ctx context.Context) (list []ToldTrouble, err error) {
	err = s.view(ctx, "read which troubles were told", func(ctx context.Context, tx *sql.Tx) error {
		list = nil
		return forEach(ctx, tx, func(rows *sql.Rows) error {
			var one ToldTrouble
			var content string
			if err := rows.Scan(&one.Key, &content); err != nil {
				return err
			}
			var t trouble
			if err := json.Unmarshal([]byte(content), &t); err != nil {
				return fmt.Errorf("a told trouble is damaged: %w", err)
			}
			one.Notice, one.Notice.Event = t.Notice, t.Event
			list = append(list, one)
			return nil
		}, `SELECT key, content FROM notice_troubles WHERE agent = $1 ORDER BY key`, s.agent)
	})
	return list, err
}
