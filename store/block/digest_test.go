package block

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"
)

// known are blocks of records, so many each, with their digests; loads counts how often one is read.
func known(t testing.TB, list []Record, each int, loads *atomic.Int64) (blocks []Block) {
	t.Helper()
	e, _ := newCoders(t)
	for some := range slices.Chunk(list, each) {
		data, info, err := e.Encode(nil, some)
		must(t, err)
		blocks = append(blocks, Block{Info: info, FirstID: some[0].ID, Agent: some[0].Agent, Digest: e.Digest(), Load: func(context.Context) ([]byte, error) { loads.Add(1); return data, nil }})
	}
	return blocks
}

// Whatever is asked for, a block is passed over only where it has nothing of it, be its values few or many.
func TestADigestHidesNothing(t *testing.T) {
	passed := 0
	var loads atomic.Int64
	type one struct {
		block Block
		list  []Record
	}
	var all []one
	for _, n := range []int{1, 40, 500} {
		list := odd(500, uint64(n))
		for i := range list {
			list[i].Agent = 1
			if n == 500 { // more values than are kept as they are
				list[i].SrcPort, list[i].DstPort, list[i].File = list[i].SrcPort+uint16(i%100), list[i].DstPort*uint16(i), list[i].File*int64(i)
				if list[i].Src.Is4() && i%3 > 0 {
					list[i].Src = v4(uint32(i) << 8)
				}
			}
		}
		for i, b := range known(t, list, n, &loads) {
			all = append(all, one{b, list[i*n : min(i*n+n, len(list))]})
		}
	}
	rapid.Check(t, func(rt *rapid.T) {
		f := drawFilter(rt)
		if len(f.Src) > 0 {
			f.Src = append(f.Src, netip.PrefixFrom(v4(rapid.Uint32Range(0, 600).Draw(rt, "source")<<8), rapid.SampledFrom([]int{32, 30, 20}).Draw(rt, "bits")))
		}
		p := newPlan(&f)
		for _, b := range all {
			if b.block.Digest.mayHave(p, 1) {
				continue
			}
			passed++
			if i := slices.IndexFunc(b.list, func(r Record) bool { return matches(&f, &r) }); i >= 0 {
				rt.Fatalf("%+v is passed over for %+v", b.list[i], f)
			}
		}
	})
	if passed == 0 {
		t.Error("no block was ever passed over")
	}
}

// A value that is in one block of many has hardly any other read, whatever column it is in.
func TestASearchPassesOverBlocks(t *testing.T) {
	g := sessions(1)
	list := g.some(100_000)
	needle := &list[70_000]
	needle.Src, needle.Dst, needle.SrcPort, needle.SrcUser, needle.ThreatID, needle.File = netip.MustParseAddr("192.0.2.77"), netip.MustParseAddr("2001:db8::7"), 77, `example\needle`, "needle", 7<<32|7
	var loads atomic.Int64
	from := Sources{Blocks: known(t, list, 2000, &loads)}
	size := 0
	for _, b := range from.Blocks {
		size += b.Digest.bytes()
	}
	if size > 12*len(list) {
		t.Errorf("the digests of %d records take %d bytes", len(list), size)
	}
	for name, f := range map[string]Filter{
		"src": {Src: []netip.Prefix{netip.MustParsePrefix("192.0.2.77/32")}}, "dst": {Dst: []netip.Prefix{netip.MustParsePrefix("2001:db8::/64")}}, "src_port": {SrcPort: []PortRange{{77, 77}}},
		"user": {User: []string{"*NEEDLE"}}, "threat_id": {ThreatID: []string{"needle"}}, "file": {Files: []FileKey{{1, 7<<32 | 7}}}, "another agent's": {Files: []FileKey{{2, 1}}},
		"two": {User: []string{`example\user1`}, ThreatID: []string{"needle"}},
	} {
		loads.Store(0)
		n, err := Count(t.Context(), from, f)
		must(t, err)
		want := int64(1)
		if name == "two" || name == "another agent's" {
			want = 0
		}
		if n != want || loads.Load() > 3 {
			t.Errorf("by %s %d records are found in %d blocks", name, n, loads.Load())
		}
	}
}

// Digests are kept for the blocks that they were made of, the last of them, and no longer than those are there.
func TestDigestsAreOfTheirBlocks(t *testing.T) {
	var l Digests
	var loads atomic.Int64
	blocks := known(t, scans(1).some(3000), 1000, &loads)
	for _, b := range blocks {
		l.Add(b.FirstID, b.Info, b.Digest)
	}
	noted := func() (is []bool) {
		list := slices.Clone(blocks)
		for i := range list {
			list[i].Digest = nil
		}
		l.Note(list)
		for _, b := range list {
			is = append(is, b.Digest != nil)
		}
		return is
	}
	if got := fmt.Sprint(noted()); got != "[true true true]" {
		t.Errorf("of three that were added: %s", got)
	}
	l.Drop([]int64{blocks[1].FirstID, 99})
	blocks[2].Records--
	if got := fmt.Sprint(noted()); got != "[true false false]" {
		t.Errorf("of one that is there, one that is gone and one that is another: %s", got)
	}
	for i := range int64(10_000) {
		l.Add(10_000+i, blocks[0].Info, blocks[0].Digest)
	}
	if got := fmt.Sprint(noted()); got != "[false false false]" || l.bytes > mostDigests || len(l.order) != len(l.of) || len(l.of)*blocks[0].Digest.bytes() != l.bytes {
		t.Errorf("after many more: %s, %d bytes of %d, %d in order", got, l.bytes, len(l.of), len(l.order))
	}
	ids := slices.Clone(l.order)
	if l.Drop(ids); l.bytes != 0 || len(l.of)+len(l.order) != 0 {
		t.Errorf("%d bytes of none", l.bytes)
	}
}
