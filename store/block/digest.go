package block

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"sync"
)

// Digest is what is known of a block's values without reading it: a search passes over the block where it cannot have what is asked for. It may say that
// a value is there which is not, never the reverse. It does not change.
type Digest struct {
	sieves [numSieves]sieve
	six    [2]bool // whether src and dst have IPv6, which is in no sieve
	texts  [numTexts]string
}

// The columns of which a digest has a sieve.
const (
	sieveSrc = iota
	sieveDst
	sieveSrcPort
	sieveDstPort
	sieveFile
	numSieves
)

// mostTexts is how many bytes of a column's different texts a digest has; of a column with more it knows nothing.
const mostTexts = 16 << 10

// Digest is that of the records which the last Encode was given.
func (e *Encoder) Digest() *Digest {
	c, d := &e.columns, new(Digest)
	for i, a := range [...]*addresses{&c.src, &c.dst} {
		d.sieves[sieveSrc+i].fill(c.Len(), func(k int) (uint32, bool) { return a.v4[k], a.family[k] == 4 })
		d.six[i] = len(a.v6) > 0
		d.sieves[sieveSrcPort+i].fill(c.Len(), func(k int) (uint32, bool) { return uint32(c.ports[i][k]), true })
	}
	d.sieves[sieveFile].fill(c.Len(), func(k int) (uint32, bool) { return folded(c.file[k]), true })
	var all []byte
	var ends [numTexts]int
	for i := range c.texts {
		all = appendTexts(all, c.texts[i].different)
		ends[i] = len(all)
	}
	shared, begin := string(all), 0
	for i, end := range ends {
		d.texts[i], begin = shared[begin:end], end
	}
	return d
}

// appendTexts writes each text behind its length; nothing where they are too many.
func appendTexts(to []byte, different []string) []byte {
	begin := len(to)
	for _, s := range different {
		if len(to)-begin+len(s) > mostTexts {
			return to[:begin]
		}
		to = append(binary.AppendUvarint(to, uint64(len(s))), s...)
	}
	return to
}

// folded makes a number of 32 bits of one of 64.
func folded(n int64) uint32 { return uint32(n) ^ uint32(n>>32) }

// mayHave tells whether a block of an agent may have what a plan wants.
func (d *Digest) mayHave(p *plan, agent int64) bool {
	for i := range p.addresses {
		t := &p.addresses[i]
		side := 0
		if t.column == colDst {
			side = 1
		}
		if !(d.six[side] && len(t.v6) > 0) && !slices.ContainsFunc(t.v4, d.sieves[sieveSrc+side].mayHaveAny) {
			return false
		}
	}
	for i := range p.ports {
		if t := &p.ports[i]; !slices.ContainsFunc(t.ranges, d.sieves[sieveSrcPort+t.column-colSrcPort].mayHaveAny) {
			return false
		}
	}
	for i := range p.texts {
		t := &p.texts[i]
		if !slices.ContainsFunc(t.texts, func(text int) bool { return t.mayBeIn(d.texts[text]) }) {
			return false
		}
	}
	return p.files == nil || d.mayBeOf(p, agent)
}

func (d *Digest) mayBeOf(p *plan, agent int64) bool {
	for k := range p.files {
		if k.Agent == agent && d.sieves[sieveFile].mayHave(folded(k.ID)) {
			return true
		}
	}
	return false
}

// mayBeIn looks for what is wanted among texts that appendTexts wrote.
func (t *textTerm) mayBeIn(texts string) bool {
	if texts == "" {
		return true // too many
	}
	for rest := texts; rest != ""; {
		n, size := uint64(0), 0
		for shift := 0; ; shift += 7 {
			b := rest[size]
			n |= uint64(b&0x7f) << shift
			if size++; b < 0x80 {
				break
			}
		}
		s := rest[size : size+int(n)]
		if slices.ContainsFunc(t.want, func(want string) bool { return MatchText(want, s, t.stars) }) {
			return true
		}
		rest = rest[size+int(n):]
	}
	return false
}

// A sieve holds numbers: few as they are, many in a Bloom filter.
type sieve struct {
	few       []uint32 // all of them, ascending; nil: they are in bits
	bits      []uint64 // a power of two of them; nil: there are no numbers but few
	low, high uint32   // of all
}

const (
	mostFew  = 64 // numbers that a sieve holds as they are
	setBits  = 4  // bits for each number
	leastFor = 8  // bits that there are for each number, at least
)

// fill adds n numbers, those that value says are there.
func (s *sieve) fill(n int, value func(i int) (v uint32, is bool)) {
	var few [mostFew]uint32
	list := few[:0]
	last, any := uint32(0), false
	for i := range n {
		v, is := value(i)
		if !is || any && v == last {
			continue
		}
		if !any {
			s.low, s.high = v, v
		}
		last, any, s.low, s.high = v, true, min(s.low, v), max(s.high, v)
		switch {
		case s.bits != nil:
			s.add(v)
		case slices.Contains(list, v):
		case len(list) < mostFew:
			list = append(list, v)
		default:
			s.bits = make([]uint64, 1<<bits.Len(uint(n*leastFor-1))/64)
			for _, v := range list {
				s.add(v)
			}
			s.add(v)
		}
	}
	if s.bits == nil {
		s.few = slices.Clone(list)
		slices.Sort(s.few)
		return
	}
	s.shrink()
}

// hash gives where the first bit of a number is, and how far each further one is from the one before; both are to be taken modulo the number of bits, so that
// a filter can be halved.
func hash(v uint32) (at, step uint32) {
	h := (uint64(v) + 1) * 0x9e3779b97f4a7c15
	h = (h ^ h>>29) * 0xbf58476d1ce4e5b9
	return uint32(h >> 32), uint32(h) | 1
}

func (s *sieve) add(v uint32) {
	at, step := hash(v)
	mask := uint32(64*len(s.bits) - 1)
	for range setBits {
		s.bits[at&mask/64] |= 1 << (at % 64)
		at += step
	}
}

// shrink halves the filter for as long as few bits are set, as of few numbers among many equal ones.
func (s *sieve) shrink() {
	for len(s.bits) > 1 {
		set := 0
		for _, word := range s.bits {
			set += bits.OnesCount64(word)
		}
		if set > 64*len(s.bits)/5 {
			break
		}
		half := len(s.bits) / 2
		for i, word := range s.bits[half:] {
			s.bits[i] |= word
		}
		s.bits = s.bits[:half]
	}
	s.bits = slices.Clone(s.bits)
}

// mostAsked is how many numbers of a range are asked for one by one.
const mostAsked = 16

// mayHaveAny tells whether there may be a number of a range.
func (s *sieve) mayHaveAny(in span[uint32]) bool {
	switch {
	case s.bits == nil:
		i, is := slices.BinarySearch(s.few, in.first)
		return is || i < len(s.few) && s.few[i] <= in.last
	case in.last < s.low || in.first > s.high:
		return false
	case in.last-in.first >= mostAsked:
		return true
	}
	for v := in.first; ; v++ {
		if s.mayHave(v) {
			return true
		}
		if v == in.last {
			return false
		}
	}
}

func (s *sieve) mayHave(v uint32) bool {
	if s.bits == nil {
		_, is := slices.BinarySearch(s.few, v)
		return is
	}
	at, step := hash(v)
	mask := uint32(64*len(s.bits) - 1)
	for range setBits {
		if s.bits[at&mask/64]&(1<<(at%64)) == 0 {
			return false
		}
		at += step
	}
	return true
}

// bytes is about how much memory the digest takes.
func (d *Digest) bytes() int {
	n := 768 // itself, and its place in a list
	for i := range d.sieves {
		n += 4*len(d.sieves[i].few) + 8*len(d.sieves[i].bits)
	}
	for _, s := range d.texts {
		n += len(s)
	}
	return n
}

// mostDigests is how many bytes of digests are kept: of a million records or two.
const mostDigests = 8 << 20

// Digests are those of the blocks that were written last. They may be used by several goroutines; the zero value has none.
type Digests struct {
	mu    sync.Mutex
	of    map[int64]digestOf // by first id
	order []int64            // first ids, as they came
	bytes int
}

type digestOf struct {
	Info
	*Digest
}

// Add keeps that of a block which is in the database from now on. Where they are too many, those that came first go.
func (l *Digests) Add(firstID int64, info Info, d *Digest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		l.of = make(map[int64]digestOf)
	}
	l.drop(firstID)
	l.of[firstID] = digestOf{info, d}
	l.order = append(l.order, firstID)
	l.bytes += d.bytes()
	for l.bytes > mostDigests {
		l.drop(l.order[0])
		l.order = l.order[1:]
	}
}

// Drop forgets those of blocks that are gone.
func (l *Digests) Drop(firstIDs []int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, id := range firstIDs {
		l.drop(id)
	}
	l.order = slices.DeleteFunc(l.order, func(id int64) bool { return l.of[id].Digest == nil })
}

func (l *Digests) drop(firstID int64) {
	if d := l.of[firstID]; d.Digest != nil {
		l.bytes -= d.bytes()
		delete(l.of, firstID)
	}
}

// Note gives blocks the digests that are known of them. One of a block of which something else is known is of another one, which had its place.
func (l *Digests) Note(blocks []Block) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range blocks {
		b := &blocks[i]
		if d := l.of[b.FirstID]; d.Digest != nil && d.Records == b.Records && d.Oldest.Equal(b.Oldest) && d.Newest.Equal(b.Newest) {
			b.Digest = d.Digest
		}
	}
}
