package memory

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"activedefense/detect/arena"
)

var benchBase, benchOurs = address("20.0.0.0"), address("198.51.100.1")

// Fetched ahead in groups, as the engine has it done.
const groupSize = 64

func benchKey(n uint32) (key Key) {
	key = benchBase
	binary.BigEndian.PutUint32(key[12:], 0x14000000+n)
	return key
}

// Sources that are refused by two targets each, time and again.
func BenchmarkRefuse(b *testing.B) {
	m, dice := New(Limits{Probes: 300_000}, Day, 30), rand.New(rand.NewPCG(1, 1))
	const sources = 100_000
	var hints [sources]uint32
	var list [groupSize]Hint
	var targets [groupSize]Target
	which := make([]uint32, groupSize)
	fill := func(at int64) {
		for i := range targets {
			n := dice.Uint32N(sources)
			which[i] = n
			targets[i] = Target{Key: benchKey(n), Dst: benchOurs, Port: uint16(n + dice.Uint32N(2)), Time: at, Ref: uint64(at)}
			list[i] = Hint{Part: uint8(PartOf(&targets[i].Key)), Hash: arena.Hash(&targets[i].Key), Hint: hints[n]}
		}
	}
	at := start
	round := func() {
		at += second
		fill(at)
		m.Prefetch(list[:])
		for i := range targets {
			m.Refuse(&targets[i], &hints[which[i]])
		}
	}
	for range 10 * sources / groupSize {
		round()
	}
	b.ResetTimer()
	for i := 0; i < b.N; i += groupSize {
		round()
	}
}

// Sessions that ours open to many addresses.
func BenchmarkOpen(b *testing.B) {
	m, dice := New(Limits{Sessions: 1_000_000, Partners: 1_000_000}, Day, 30), rand.New(rand.NewPCG(1, 1))
	var list [groupSize]Session
	at := start
	round := func() {
		at += int64(10 * time.Millisecond)
		for i := range list {
			peer := benchKey(dice.Uint32N(60_000))
			list[i] = Session{Key: peer, Peer: peer, PeerPort: 443, Ours: benchOurs, OursPort: uint16(dice.Uint32()), Served: true, Time: at}
		}
		for i := range list {
			m.Open(&list[i])
		}
	}
	for range 1_000_000 / groupSize {
		round()
	}
	b.ResetTimer()
	for i := 0; i < b.N; i += groupSize {
		round()
	}
}

// What a memory takes that is full: a million sessions, a million partners, 300,000 sources with four targets each, and as many
// that one target alone refused; and beside them a million sessions whose translation is not told.
func BenchmarkFull(b *testing.B) {
	for b.Loop() {
		var before, full, all runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		m := New(Limits{Sessions: 1_000_000, Partners: 1_000_000, Probes: 300_000}, Day, 30)
		for i := range uint32(1_200_000) { // some parts get less than their share
			peer := benchKey(i)
			m.Open(&Session{Key: peer, Peer: peer, PeerPort: 443, Ours: benchOurs, OursPort: uint16(i), Served: true, Time: start + int64(i)})
		}
		for i := range uint32(360_000) {
			for port := range uint16(4) {
				m.Refuse(&Target{Key: benchKey(i), Dst: benchOurs, Port: port, Time: start + int64(i), Ref: uint64(i)}, new(uint32))
			}
			m.Refuse(&Target{Key: benchKey(1<<24 + i), Dst: benchOurs, Port: 22, Time: start + int64(i), Ref: uint64(i)}, new(uint32))
		}
		runtime.GC()
		runtime.ReadMemStats(&full)
		for i := range uint32(1_200_000) {
			peer := benchKey(i)
			m.Open(&Session{Key: peer, Peer: peer, PeerPort: 443, Ours: benchOurs, OursPort: uint16(i), Untranslated: true, Time: start + int64(i)})
		}
		runtime.GC()
		runtime.ReadMemStats(&all)
		sizes := m.Sizes()
		b.ReportMetric(float64(full.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB")
		b.ReportMetric(float64(all.HeapAlloc-full.HeapAlloc)/(1<<20), "MiB-untranslated")
		b.ReportMetric(float64(sizes.Sessions), "sessions")
		b.ReportMetric(float64(sizes.Partners), "partners")
		b.ReportMetric(float64(sizes.Probes), "probes")
	}
}
