package arena

import (
	"testing"

	"pgregory.net/rapid"
)

type link struct {
	value, hash, before uint32
}

func (l *link) Hash() uint32    { return l.hash }
func (l *link) Before() *uint32 { return &l.before }

func TestRingFindsTheLatest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r Ring[link, *link]
		limit := rapid.SampledFrom([]int{1, 3, 64, 100, 300}).Draw(t, "limit")
		// Few hashes, so that some are those of many; few values, so that the same one is there twice.
		hash := rapid.SampledFrom([]uint32{0, 1, 64, 65, 1<<32 - 1})
		var held []link
		for range rapid.IntRange(1, 1000).Draw(t, "steps") {
			x := link{value: rapid.Uint32Range(0, 20).Draw(t, "value"), hash: hash.Draw(t, "hash")}
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0:
				if len(held) > 0 {
					r.Drop()
					held = held[1:]
				}
			case 1, 2:
				most := rapid.SampledFrom([]int{1, 2, 1000}).Draw(t, "most")
				want := -1
				for i, asked := len(held)-1, 0; i >= 0 && want < 0; i-- {
					// Of what shares the place, others than those with the hash may be asked about, too.
					if r.sameHead(held[i].hash, x.hash) {
						if asked++; asked > most {
							break
						}
						if held[i].value == x.value && held[i].hash == x.hash {
							want = i
						}
					}
				}
				got := r.Find(x.hash, most, func(l *link) bool { return l.value == x.value && l.hash == x.hash })
				switch {
				case want < 0 && got != nil:
					t.Fatalf("found %+v, which is not there", *got)
				case want >= 0 && got != r.At(want):
					t.Fatalf("%+v is not found", held[want])
				}
			default:
				if len(held) == limit {
					r.Drop()
					held = held[1:]
				}
				r.Put(&x, limit)
				held = append(held, x)
			}
			if r.Len() != len(held) {
				t.Fatalf("%d are there, want %d", r.Len(), len(held))
			}
		}
		for i, x := range held {
			if got := r.At(i); got.value != x.value || got.hash != x.hash {
				t.Fatalf("place %d holds %+v, want %+v", i, *got, x)
			}
		}
	})
}

// sameHead says whether things with two hashes are found from the same place.
func (r *Ring[T, C]) sameHead(a, b uint32) bool {
	mask := uint32(len(r.heads) - 1)
	return a&mask == b&mask
}
