package line

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/rs/zerolog"

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
	for i := range uint32(3000) {
		s := memory.Session{PeerPort: 443, OursPort: uint16(run), Served: true, Time: noon.UnixNano()}
		copy(s.Key[:], []byte{10: 0xff, 11: 0xff, 12: 20})
		binary.BigEndian.PutUint16(s.Key[13:], uint16(i))
		s.Peer, s.Ours = s.Key, s.Key
		m.Open(&s)
	}
	b := store.Batch{Seq: run, After: run - 1}
	k.seal(&b)
	if _, err := st.Commit(t.Context(), &b); err != nil {
		t.Fatal(err)
	}
	return m
}

// However often a run ends early, every part gets its turn, and the journals do not pile up.
func TestJournalsAreDroppedHoweverOftenARunEnds(t *testing.T) {
	st := newTestStore(t)
	for run := range int64(40) {
		keepOnce(t, st, run+1, zerolog.Nop())
	}
	parts, journals, err := st.Memory(t.Context())
	if err != nil || len(parts) != memory.Parts || len(journals) > 32 {
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
