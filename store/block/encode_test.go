package block

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func newCoders(t testing.TB) (*Encoder, *Decoder) {
	e, err := NewEncoder()
	must(t, err)
	d, err := NewDecoder()
	must(t, err)
	t.Cleanup(d.Close)
	return e, d
}

// records gives those of columns.
func (c *Columns) records() []Record {
	list := make([]Record, c.Len())
	for i := range list {
		c.Record(i, &list[i])
	}
	return list
}

func drawRecord(t *rapid.T) (r Record) {
	r.Time = time.UnixMicro(rapid.Int64Range(-62135596800000000, 253402214399999999).Draw(t, "time")).UTC()
	for _, to := range []*netip.Addr{&r.Src, &r.Dst} {
		switch rapid.IntRange(0, 2).Draw(t, "family") {
		case 1:
			*to = v4(rapid.Uint32().Draw(t, "IPv4"))
		case 2:
			*to = Address(netip.AddrFrom16([16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "IPv6"))))
		}
	}
	r.SrcPort, r.DstPort, r.Repeat = rapid.Uint16().Draw(t, "port"), rapid.Uint16().Draw(t, "port"), rapid.Uint32().Draw(t, "repeat")
	r.File, r.Offset = rapid.OneOf(rapid.Int64Range(1, 3), rapid.Int64()).Draw(t, "file"), rapid.Int64().Draw(t, "offset")
	for _, s := range r.Texts() {
		*s = Clean(rapid.OneOf(rapid.SampledFrom([]string{"", "deny", "allow"}), rapid.String()).Draw(t, "text"))
	}
	for _, n := range r.Smalls() {
		*n = rapid.OneOf(rapid.Uint8Range(0, 4), rapid.Uint8()).Draw(t, "small")
	}
	return r
}

// Whatever records are, a block gives them as they were, with the ids and the agent that it is read with, and in room that was used before.
func TestABlockGivesWhatItWasMadeOf(t *testing.T) {
	e, d := newCoders(t)
	var c Columns
	rapid.Check(t, func(rt *rapid.T) {
		list := rapid.SliceOfN(rapid.Custom(drawRecord), 1, 30).Draw(rt, "records")
		data, info, err := e.Encode([]byte("before"), list)
		must(t, err)
		must(t, d.Decode(data[len("before"):], 17, 3, &c))
		oldest, newest := list[0].Time, list[0].Time
		for i := range list {
			list[i].ID, list[i].Agent = int64(17+i), 3
			if list[i].Time.Before(oldest) {
				oldest = list[i].Time
			}
			if list[i].Time.After(newest) {
				newest = list[i].Time
			}
		}
		if got := fmt.Sprint(c.records()); got != fmt.Sprint(list) {
			rt.Fatalf("%s\nwant\n%s", got, fmt.Sprint(list))
		}
		if info != (Info{int64(len(list)), oldest, newest}) || c.Info() != info {
			rt.Fatalf("%+v and %+v", info, c.Info())
		}
	})
	for _, list := range [][]Record{scans(1).some(10_000), sessions(1).some(10_000), odd(5000, 1), odd(70_000, 2)} {
		data, _, err := e.Encode(nil, list)
		must(t, err)
		must(t, d.Decode(data, 1, 0, &c))
		for i := range list {
			list[i].Agent = 0
		}
		for i, r := range c.records() {
			if r != list[i] {
				t.Fatalf("record %d: %+v, want %+v", i, r, list[i])
			}
		}
	}
}

// What the store would change is changed here: times, addresses and texts have one form.
func TestABlockKeepsTheStoredForm(t *testing.T) {
	e, d := newCoders(t)
	east := time.FixedZone("", 7200)
	data, _, err := e.Encode(nil, []Record{{Time: time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC), Src: netip.MustParseAddr("::ffff:192.0.2.1"), Dst: netip.MustParseAddr("fe80::1%eth0"), SrcUser: "a\x00\xff\xfeb", Path: "/a.log"},
		{Time: time.Date(2026, 11, 30, 14, 0, 0, 1999, east), SrcUser: "a\x00\xffb"}})
	must(t, err)
	var c Columns
	must(t, d.Decode(data, 1, 2, &c))
	want := []Record{{ID: 1, Agent: 2, Src: netip.MustParseAddr("192.0.2.1"), Dst: netip.MustParseAddr("fe80::1"), SrcUser: "a\uFFFD\uFFFDb"}, {ID: 2, Agent: 2, Time: noon().Add(time.Microsecond), SrcUser: "a\uFFFD\uFFFDb"}}
	if fmt.Sprint(c.records()) != fmt.Sprint(want) {
		t.Errorf("%+v", c.records())
	}
}

func TestABlockTakesSoMany(t *testing.T) {
	e, _ := newCoders(t)
	for _, n := range []int{0, MaxRecords + 1} {
		if _, _, err := e.Encode(nil, make([]Record, n)); err == nil || !strings.Contains(err.Error(), fmt.Sprint(n)) {
			t.Errorf("%d records: %v", n, err)
		}
	}
}

// Every damage is told: any byte another, any end missing, bytes too many, a version to come.
func TestADamagedBlockIsToldSo(t *testing.T) {
	e, d := newCoders(t)
	data, _, err := e.Encode(nil, odd(20, 1))
	must(t, err)
	var c Columns
	refused := func(data []byte, what string) {
		t.Helper()
		if err := d.Decode(data, 1, 1, &c); !errors.Is(err, ErrDamaged) || c.Len() != 0 {
			t.Fatalf("%s: %d records, %v", what, c.Len(), err)
		}
	}
	for i := range data {
		other := bytes.Clone(data)
		other[i] ^= 0x10
		refused(other, fmt.Sprintf("byte %d flipped", i))
		refused(data[:i], fmt.Sprintf("cut at %d", i))
	}
	refused(append(bytes.Clone(data), 0), "a byte more")
	must(t, d.Decode(data, 1, 1, &c))

	later := append([]byte(nil), data[:len(data)-sumSize]...)
	later[3]++
	if err := d.Decode(sealed(later), 1, 1, &c); err == nil || errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "newer version") {
		t.Errorf("of a later version: %v", err)
	}
}

// FuzzDecode is a block whose checksum is right and whose contents are not what we write.
func FuzzDecode(f *testing.F) {
	e, d := newCoders(f)
	for _, list := range [][]Record{odd(1, 1), odd(20, 2), scans(1).some(3), {{}}} {
		_, _, err := e.Encode(nil, list)
		must(f, err)
		f.Add(bytes.Clone(e.plain))
	}
	var c Columns
	f.Fuzz(func(t *testing.T, contents []byte) {
		data := sealed(e.zstd.EncodeAll(contents, []byte(magic)))
		if err := d.Decode(data, 1, 1, &c); err != nil {
			if !errors.Is(err, ErrDamaged) || c.Len() != 0 {
				t.Fatalf("%d records, %v", c.Len(), err)
			}
			return
		}
		list := c.records() // all that it says is there
		if _, _, err := e.Encode(nil, list); err != nil {
			t.Fatal(err)
		}
	})
}

// What was allocated once is enough for batches to come.
func TestEncodingAllocatesNothing(t *testing.T) {
	e, _ := newCoders(t)
	list := sessions(1).some(5000)
	room := make([]byte, 0, 1<<20)
	for range 3 {
		_, _, err := e.Encode(room, list)
		must(t, err)
	}
	if n := testing.AllocsPerRun(5, func() { _, _, _ = e.Encode(room, list) }); n > 50 {
		t.Errorf("%v allocations for 5,000 records", n)
	}
}

func BenchmarkEncode(b *testing.B) {
	for name, of := range map[string]func(uint64) generator{"scans": scans, "sessions": sessions} {
		for _, n := range []int{100, 10_000} {
			b.Run(fmt.Sprintf("%s-%d", name, n), func(b *testing.B) {
				e, d := newCoders(b)
				g := of(1)
				batches := make([][]Record, 20)
				for i := range batches {
					batches[i] = g.some(n)
				}
				b.ReportAllocs()
				var data []byte
				size, i := 0, 0
				for b.Loop() {
					data, _, _ = e.Encode(data[:0], batches[i%len(batches)])
					size += len(data)
					i++
				}
				b.ReportMetric(float64(i*n)/b.Elapsed().Seconds(), "records/s")
				b.ReportMetric(float64(size)/float64(i*n), "bytes/record")
				var c Columns
				began, decoded := time.Now(), 0
				for time.Since(began) < 200*time.Millisecond {
					must(b, d.Decode(data, 1, 1, &c))
					decoded += n
				}
				b.ReportMetric(float64(decoded)/math.Max(time.Since(began).Seconds(), 1e-9), "decoded/s")
			})
		}
	}
}

func BenchmarkDigest(b *testing.B) {
	for name, of := range map[string]func(uint64) generator{"scans": scans, "sessions": sessions} {
		for _, n := range []int{1, 100, 5000} {
			b.Run(fmt.Sprintf("%s-%d", name, n), func(b *testing.B) {
				e, _ := newCoders(b)
				_, _, err := e.Encode(nil, of(1).some(n))
				must(b, err)
				var d *Digest
				b.ReportAllocs()
				for b.Loop() {
					d = e.Digest()
				}
				b.ReportMetric(float64(b.N*n)/b.Elapsed().Seconds(), "records/s")
				b.ReportMetric(float64(d.bytes())/float64(n), "bytes/record")
			})
		}
	}
}
