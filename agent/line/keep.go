package line

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"activedefense/detect/memory"
	"activedefense/store"
)

// A keeper has what the engine remembers for a day kept in the store, so that a restart need not read a day of records. Every
// batch carries the journal of what was told since the one before; and every now and then one part whole, in turn, so that the
// journal need be kept no longer than a round of them takes. What is written for that is at most as much again as the journal.
type keeper struct {
	memory  *memory.Memory      // nil: no rule needs one
	written [memory.Parts]int64 // the batch as of which each part was written last; 0: never
	renew   int                 // so many parts are to be written soon, as something that is kept cannot be read
	size    int                 // of the part written last
	since   int                 // bytes of journals since then
}

// untilTomorrow is what follows from a loss.
const untilTomorrow = "until tomorrow, blocks that may rest on forged evidence are held where it may have excused them"

// leastPart is how many bytes of journals come at least between two parts.
const leastPart = 32 << 10

// load takes in what an earlier run remembered; known says that there was one. What is damaged is forgotten, and told: for a
// day, what it might have excused is held.
func (k *keeper) load(ctx context.Context, st *store.Store, now time.Time, known bool, log zerolog.Logger) error {
	if k.memory == nil {
		return nil
	}
	k.memory.Keep()
	parts, journals, err := st.Memory(ctx)
	if err != nil {
		return err
	}
	damaged := func(err error, part int) {
		k.memory.Lose(part, now.UnixNano())
		k.renew = memory.Parts
		log.Error().Err(err).Int("part", part).Msg("a part of what was remembered of the last day cannot be read: " + untilTomorrow)
	}
	if known && len(parts)+len(journals) == 0 {
		log.Warn().Msg("nothing is remembered of the last day: who ours spoke to is not known, and until tomorrow a partner whose address is forged may be blocked")
	}
	for _, p := range parts {
		if p.Number < 0 || p.Number >= memory.Parts {
			continue // of another version
		}
		if k.written[p.Number] = p.Seq; k.memory.Load(p.Number, p.Data, now.UnixNano()) != nil {
			damaged(memory.ErrDamaged, p.Number)
		}
	}
	for _, j := range journals {
		if err := k.memory.Apply(j.Data, func(part int) bool { return j.Seq > k.written[part] }); err != nil {
			for part := range memory.Parts {
				k.memory.Lose(part, now.UnixNano())
			}
			k.renew = memory.Parts
			log.Error().Err(err).Int64("batch", j.Seq).Msg("what one batch remembered of the last day cannot be read: " + untilTomorrow)
		}
	}
	return nil
}

// seal adds to a batch what is to be kept with it.
func (k *keeper) seal(b *store.Batch) {
	if k.memory == nil {
		return
	}
	b.Journal = k.memory.Journal(b.Journal[:0])
	k.since += len(b.Journal)
	for len(b.MemoryParts) < mostParts && (k.renew > 0 || k.since >= max(k.size, leastPart)) {
		part := k.oldest()
		data := k.memory.Part(nil, part)
		b.MemoryParts = append(b.MemoryParts, store.MemoryPart{Number: part, Data: data})
		k.written[part] = b.Seq
		k.since, k.size, k.renew = max(k.since-max(k.size, leastPart), 0), len(data), max(k.renew-1, 0)
	}
	if len(b.MemoryParts) > 0 {
		b.JournalFrom = b.Seq
		for _, seq := range k.written {
			b.JournalFrom = min(b.JournalFrom, seq+1)
		}
	}
}

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

// mostParts is how many parts one batch carries at most.
const mostParts = 4
