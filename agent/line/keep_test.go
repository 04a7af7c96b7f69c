package line

import (
	"encoding/binary"
	"hash/crc32"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/pack"
	"activedefense/detect"
	"activedefense/detect/memory"
	"activedefense/store"
)

// keepOnce is a short run that remembers some sessions and is killed after its first commit. It gives what was kept before.
func keepOnce(t *testing.T, st *store.Store, run int64, log zerolog.Logger) *memory.Memory {
	t.Helper()
	m := memory.New(memory.Limits{Sessions: 100_000, Partners: 100_000, Probes: 1000}, memory.Day, 30)
	k := &keeper{memory: m}
	if err := k.load(t.Context(), st, noon, run > 1, log); err != nil {
		t.Fatal(err)
	}
	openSessions(m, run)
	k.since.saw(noon, noon)
	b := store.Batch{Seq: run, After: run - 1}
	k.seal(&b)
	if _, err := st.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return m
}

// openSessions tells of one with each of 3000 partners.
func openSessions(m *memory.Memory, run int64) {
	for i := range uint32(3000) {
		s := memory.Session{PeerPort: 443, OursPort: uint16(run), Served: true, Time: noon.UnixNano()}
		copy(s.Key[:], []byte{10: 0xff, 11: 0xff, 12: 20})
		binary.BigEndian.PutUint16(s.Key[13:], uint16(i))
		s.Peer, s.Ours = s.Key, s.Key
		m.Open(&s)
	}
}

// However often a run ends early, every part gets its turn, and the journals do not pile up.
func TestJournalsAreDroppedHoweverOftenARunEnds(t *testing.T) {
	st := newTestStore(t)
	for run := range int64(40) {
		keepOnce(t, st, run+1, zerolog.Nop())
	}
	parts, journals, err := st.Memory(t.Context())
	if err != nil || len(parts) != memory.Parts+2 || len(journals) > 32 {
		t.Errorf("%d parts and %d journals are kept: %v", len(parts), len(journals), err)
	}
}

// What cannot be read is told, costs only itself, and is not read again and again.
func TestADamagedJournalIsToldOnce(t *testing.T) {
	st := newTestStore(t)
	keepOnce(t, st, 1, zerolog.Nop())
	if _, err := st.Commit(t.Context(), &store.Batch{Seq: 2, After: 1, Journal: []byte("no journal")}); err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	m := keepOnce(t, st, 3, zerolog.New(&log))
	if got := m.Sizes().Partners; got != 3000 || log.String() == "" {
		t.Errorf("%d partners are known, and told was %q", got, log.String())
	}
	var key memory.Key
	if _, partners, _ := m.Missing(&key); partners != noon.Add(memory.Day).UnixNano() {
		t.Errorf("partners are missing until %s", time.Unix(0, partners))
	}
	for run := range int64(memory.Parts/mostParts + 1) {
		keepOnce(t, st, 4+run, zerolog.Nop())
	}
	var later lockedBuffer
	if keepOnce(t, st, 4+memory.Parts/mostParts+1, zerolog.New(&later)); later.String() != "" {
		t.Errorf("it is told again: %s", later.String())
	}
}

// Whether it is compressed or not, as earlier versions wrote it, what is kept is read; compressed it takes less room, and damage in it costs itself alone.
func TestWhatIsCompressedIsReadLikeWhatIsNot(t *testing.T) {
	for _, c := range []struct {
		name     string
		compress bool
		damage   func(*store.Batch)
		least    int // partners that are known
		most     int
	}{
		{name: "as before", least: 3000, most: 3000},
		{name: "compressed", compress: true, least: 3000, most: 3000},
		{name: "a journal is damaged", compress: true, damage: func(b *store.Batch) { b.Journal[len(b.Journal)/2] ^= 0x55 }, most: 1000},
		{name: "a part is damaged", compress: true, damage: func(b *store.Batch) { d := b.MemoryParts[0].Data; d[len(d)/2] ^= 0x55 }, least: 2500, most: 2990},
	} {
		st, k := newTestStore(t), &keeper{memory: memory.New(memory.Limits{Sessions: 100_000, Partners: 100_000, Probes: 1000}, memory.Day, 30)}
		if err := k.load(t.Context(), st, noon, false, zerolog.Nop()); err != nil {
			t.Fatal(err)
		}
		openSessions(k.memory, 1)
		b := store.Batch{Seq: 1}
		k.seal(&b)
		plain := len(b.Journal)
		if plain == 0 || len(b.MemoryParts) == 0 {
			t.Fatalf("%d bytes of journal and %d parts", plain, len(b.MemoryParts))
		}
		if c.compress {
			var p pack.Packer
			if err := p.Pack(&b); err != nil {
				t.Fatal(err)
			}
			if again := len(b.Journal); again > plain/2 {
				t.Errorf("%s: the journal has %d bytes of %d", c.name, again, plain)
			}
		}
		if c.damage != nil {
			c.damage(&b)
		}
		if _, err := st.Commit(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
		var log lockedBuffer
		back := &keeper{memory: memory.New(memory.Limits{Sessions: 100_000, Partners: 100_000, Probes: 1000}, memory.Day, 30)}
		if err := back.load(t.Context(), st, noon, true, zerolog.New(&log)); err != nil {
			t.Fatal(err)
		}
		got, told := back.memory.Sizes().Partners, strings.Contains(log.String(), "cannot be read")
		if got < c.least || got > c.most || told != (c.damage != nil) {
			t.Errorf("%s: %d partners are known, and told was %q", c.name, got, log.String())
		}
	}
}

// What another version wrote is not there, as after an upgrade from one that remembered nothing: it holds nobody, and is told.
func TestAPartOfAnotherVersionIsNone(t *testing.T) {
	st := newTestStore(t)
	m := keepOnce(t, st, 1, zerolog.Nop())
	number := 7
	part := m.Part(nil, number)
	part[0]++
	part = binary.BigEndian.AppendUint32(part[:len(part)-4], crc32.Checksum(part[:len(part)-4], crc32.MakeTable(crc32.Castagnoli)))
	first := []byte{1, 0, 0, 0, 0, 0, 0, 0} // had no checksum, as its journals
	if _, err := st.Commit(t.Context(), &store.Batch{Seq: 2, After: 1, MemoryParts: []store.MemoryPart{{Number: number, Data: part}, {Number: number + 1, Data: first}}, Journal: []byte{1, 0, 0}}); err != nil {
		t.Fatal(err)
	}
	var log lockedBuffer
	k := &keeper{memory: memory.New(memory.Limits{Sessions: 100_000, Partners: 100_000, Probes: 1000}, memory.Day, 30)}
	if err := k.load(t.Context(), st, noon, true, zerolog.New(&log)); err != nil {
		t.Fatal(err)
	}
	for i := range byte(250) {
		key := memory.Key{10: 0xff, 11: 0xff, 12: 20, 14: i}
		if _, partners, _ := k.memory.Missing(&key); partners != 0 {
			t.Fatalf("partners are missing until %s", time.Unix(0, partners))
		}
	}
	if !strings.Contains(log.String(), "nothing is remembered of the last day") || strings.Contains(log.String(), "cannot be read") || k.since.at != 0 {
		t.Errorf("told was %q, and partners are known since %d", log.String(), k.since.at)
	}
}

// Since when it is known whom ours spoke to is kept over restarts, begins anew where nothing was remembered for a while, and is shown
// until it is a day.
func TestSinceWhenPartnersAreKnown(t *testing.T) {
	st, path, ahead := newTestStore(t), filepath.Join(t.TempDir(), "fw1.log"), time.Duration(0)
	now := func() time.Time { return time.Now().Add(ahead).UTC() }
	remembers := testSettings
	remembers.PortScan.RefusedOnly = true
	run := func(when string, settings detect.Settings, line, want time.Time) {
		t.Helper()
		write(t, path, record{at: line, src: "203.0.113.5", dst: "198.51.100.1", port: 1}.String()+"\n")
		o := testOptions(t, st, path)
		o.Settings, o.Now = settings, now
		before := len(records(t, st))
		r := start(t, o)
		defer r.end()
		until(t, "the line is stored", func() bool { return len(records(t, st)) > before })
		until(t, "status shows it: "+when, func() bool {
			since := o.Stats.Status(now()).Detect.PartnersSince
			return since == nil && want.IsZero() || since != nil && since.Equal(want)
		})
		if since := o.Stats.Status(want.Add(memory.Day)).Detect.PartnersSince; since != nil && !want.IsZero() {
			t.Errorf("%s: after a day it is shown: %s", when, since)
		}
	}
	first := now().Add(-time.Hour).Truncate(time.Second)
	run("the first line", remembers, first, first)
	run("after a restart", remembers, now(), first)
	run("where partners play no part", testSettings, now(), time.Time{})
	ahead = time.Hour
	again := now().Truncate(time.Second)
	run("when they do again", remembers, again, again)
	ahead = 26 * time.Hour
	run("after a day", remembers, now(), time.Time{})
}

func TestADayWithoutARecordIsNotKnown(t *testing.T) {
	var s knownSince
	for _, c := range []struct{ record, want time.Time }{
		{noon, noon}, {noon.Add(23 * time.Hour), noon}, {noon.Add(-time.Hour), noon}, {noon.Add(47 * time.Hour), noon.Add(47 * time.Hour)},
		{noon.Add(100 * 24 * time.Hour), noon.Add(48 * time.Hour)}, // a clock that is ahead is now's
	} {
		if s.saw(c.record, noon.Add(48*time.Hour)); s.at != c.want.UnixNano() && c.record.Before(noon.Add(48*time.Hour)) {
			t.Errorf("after a record of %s it is known since %s", c.record, time.Unix(0, s.at).UTC())
		}
		if s.at > noon.Add(48*time.Hour).UnixNano() {
			t.Errorf("it is known since %s", time.Unix(0, s.at).UTC())
		}
	}
}
