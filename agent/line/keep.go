package line

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/pack"
	"activedefense/detect/memory"
	"activedefense/store"
)

// A keeper has what the engine remembers for a day kept in the store, so that a restart need not read a day of records. Every
// batch carries the journal of what was told since the one before; and every now and then one part whole, in turn, so that the
// journal need be kept no longer than a round of them takes. What is written for that is at most as much again as the journal,
// and the journals that are kept are as long as the parts, or leastPart for each. The writer compresses both.
type keeper struct {
	memory  *memory.Memory      // nil: no rule needs one
	written [memory.Parts]int64 // the batch as of which each part was written last; 0: never
	renew   int                 // so many parts are to be written soon, as something that is kept cannot be read
	since   knownSince
	told    tellings
	size    int // of the part written last
	unsaved int // bytes of journals since then

	counters []byte // which counters know all that there was, as it is kept; nil: nothing is
	adopting bool   // all counters do, once each part was written as many times as renew says
}

// untilTomorrow is what follows from a loss.
const untilTomorrow = "until tomorrow, blocks that may rest on forged evidence are held where it may have excused them"

// leastPart is how many bytes of journals come at least between two parts.
const leastPart = 32 << 10

// load takes in what an earlier run remembered; known says that there was one. What is damaged is forgotten, and told: for a
// day, what it might have excused is held. What was never seen holds nothing, on the first day of all or after an upgrade: what
// could have been a partner is anybody, and no scan would be blocked on that day. Status says since when it is known instead.
func (k *keeper) load(ctx context.Context, st *store.Store, now time.Time, known bool, log zerolog.Logger) error {
	if k.memory == nil {
		k.since.changed = true // what goes by now is not remembered
		return nil
	}
	k.memory.Keep()
	parts, journals, err := st.Memory(ctx)
	if err != nil {
		return err
	}
	packed, err := pack.NewUnpacker()
	if err != nil {
		return err
	}
	defer packed.Close()
	k.loadCounters(parts, known, log)
	damaged := func(err error, part int) {
		k.memory.Lose(part, now.UnixNano())
		k.renew = memory.Parts
		log.Error().Err(err).Int("part", part).Msg("a part of what was remembered of the last day cannot be read: " + untilTomorrow)
	}
	other := false
	for _, p := range parts {
		if p.Number == sincePart {
			k.since.load(p.Data)
		}
		if p.Number == toldPart {
			if err := k.told.load(p.Data); err != nil {
				log.Error().Err(err).Msg("how much the rules of mode notice have told within the hour cannot be read: they begin anew")
			}
		}
		if p.Number < 0 || p.Number >= memory.Parts {
			continue // of another version
		}
		k.written[p.Number] = p.Seq
		switch err := k.loadPart(p.Number, p.Data, packed, now); {
		case errors.Is(err, memory.ErrOtherVersion):
			other, k.renew = true, memory.Parts
		case err != nil:
			damaged(err, p.Number)
		}
	}
	if other {
		k.since = knownSince{changed: true} // as after an upgrade from a version that remembered nothing
	}
	for _, j := range journals {
		if err := k.apply(&j, packed); err != nil && !other { // else it is as old as the parts
			for part := range memory.Parts {
				k.memory.Lose(part, now.UnixNano())
			}
			k.renew = memory.Parts
			log.Error().Err(err).Int64("batch", j.Seq).Msg("what one batch remembered of the last day cannot be read: " + untilTomorrow)
		}
	}
	if known && k.since.at == 0 {
		log.Warn().Msg("nothing is remembered of the last day: who ours spoke to is not known, and until tomorrow a partner whose address is forged may be blocked")
	}
	return nil
}

// loadPart takes in one part. With an error it knows nothing of it (see [memory.Memory.Load]).
func (k *keeper) loadPart(number int, data []byte, packed pack.Unpacker, now time.Time) error {
	plain, err := packed.Unpack(data)
	if err != nil {
		k.memory.LoseCounters()
		return err // it is lost by whoever is told
	}
	return k.memory.Load(number, plain, now.UnixNano())
}

// apply takes in one journal, as far as the parts do not hold it.
func (k *keeper) apply(j *store.MemoryJournal, packed pack.Unpacker) error {
	plain, err := packed.Unpack(j.Data)
	if err != nil {
		k.memory.LoseCounters()
		return err
	}
	return k.memory.Apply(plain, func(part int) bool { return j.Seq > k.written[part] })
}

// seal adds to a batch what is to be kept with it.
func (k *keeper) seal(b *store.Batch) {
	if k.memory == nil {
		k.since.save(b)
		k.saveCounters(b, memory.NoCounters())
		return
	}
	b.Journal = k.memory.Journal(b.Journal[:0])
	k.unsaved += len(b.Journal)
	for len(b.MemoryParts) < mostParts && (k.renew > 0 || k.unsaved >= k.due()) {
		part := k.oldest()
		var data []byte
		if n := len(b.MemoryParts); n < cap(b.MemoryParts) {
			data = b.MemoryParts[:n+1][n].Data[:0] // of an earlier batch, which is stored
		}
		data = k.memory.Part(data, part)
		b.MemoryParts = append(b.MemoryParts, store.MemoryPart{Number: part, Data: data})
		k.written[part] = b.Seq
		k.unsaved, k.size, k.renew = max(k.unsaved-k.due(), 0), len(data), max(k.renew-1, 0)
	}
	if len(b.MemoryParts) > 0 {
		b.JournalFrom = b.Seq
		for _, seq := range k.written {
			b.JournalFrom = min(b.JournalFrom, seq+1)
		}
	}
	k.since.save(b)
	if k.adopting && k.renew == 0 {
		k.memory.CaughtUp()
		k.adopting = false
	}
	k.saveCounters(b, k.memory.Counters(nil))
}

// due is how many bytes of journals come before the next part: as many as the one before has.
func (k *keeper) due() int { return max(k.size, leastPart) }

// countersPart is the number under which it is kept which counters know all that there was.
const countersPart = sincePart + 1

// loadCounters takes in, before the parts, which counters know all that there was. Where that is not kept whole, none does: the parts are
// not looked at for them, and the records are read again.
func (k *keeper) loadCounters(parts []store.MemoryPart, known bool, log zerolog.Logger) {
	for _, p := range parts {
		if p.Number == countersPart {
			k.counters = p.Data
		}
	}
	if k.counters == nil {
		if known {
			k.memory.LoseCounters()
		}
		return
	}
	if err := k.memory.LoadCounters(k.counters); err != nil {
		log.Error().Err(err).Msg("what the rules of the configuration (rules) counted cannot be read: the records are read again")
		k.memory.LoseCounters()
	}
}

// saveCounters adds to a batch what changed of which counters know all that there was.
func (k *keeper) saveCounters(b *store.Batch, counters []byte) {
	if !bytes.Equal(counters, k.counters) {
		k.counters = counters
		b.MemoryParts = append(b.MemoryParts, store.MemoryPart{Number: countersPart, Data: counters})
	}
}

// caughtUp says that the counters were told of all that there was. It is kept once all that they were told is.
func (k *keeper) caughtUp() { k.renew, k.adopting = memory.Parts, true }

// oldest is the part that was written before all others, in whatever run.
func (k *keeper) oldest() int {
	part := 0
	for i, seq := range k.written {
		if seq < k.written[part] {
			part = i
		}
	}
	return part
}

// knownSince is since when it is known, in event time, whom ours spoke to. It is kept beside the parts.
type knownSince struct {
	at, latest int64 // nanoseconds since 1970: since when, and the latest record seen in this run; 0: none
	changed    bool  // and to be saved
}

const (
	// sincePart is the number under which it is kept.
	sincePart = memory.Parts
	// sinceSize is its length there: nanoseconds since 1970, big-endian; 0: what went by last was not remembered.
	sinceSize = 8
)

func (s *knownSince) load(data []byte) {
	if len(data) == sinceSize {
		s.at = int64(binary.BigEndian.Uint64(data))
	}
}

func (s *knownSince) save(b *store.Batch) {
	if s.changed {
		b.MemoryParts = append(b.MemoryParts, store.MemoryPart{Number: sincePart, Data: binary.BigEndian.AppendUint64(nil, uint64(s.at))})
		s.changed = false
	}
}

// saw takes note of a record. After a day without any, nothing is known of that day. A clock that is ahead is ahead of nothing known.
func (s *knownSince) saw(record, now time.Time) {
	at := min(record.UnixNano(), now.UnixNano())
	if s.at == 0 || s.latest != 0 && at-s.latest >= int64(memory.Day) {
		s.at, s.changed = at, true
	}
	s.latest = max(s.latest, at)
}

// mostParts is how many parts one batch carries at most.
const mostParts = 4
