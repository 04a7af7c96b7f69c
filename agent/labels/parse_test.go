package labels

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func text(networks []netip.Prefix) string {
	var out []string
	for _, p := range networks {
		out = append(out, p.String())
	}
	return strings.Join(out, " ")
}

// The shapes that public lists come in.
func TestALineIsReadAsListsWriteIt(t *testing.T) {
	for line, want := range map[string]string{
		"192.0.2.7":                "192.0.2.7/32",
		"  192.0.2.7\t\r":          "192.0.2.7/32",
		"\ufeff192.0.2.7":          "192.0.2.7/32",
		"192.0.2.0/24":             "192.0.2.0/24",
		"192.0.2.9/24":             "192.0.2.0/24",
		"192.0.2.0/24 ; SBL256894": "192.0.2.0/24",
		"192.0.2.7 # Malicious Host CN,,39.9,116": "192.0.2.7/32",
		"192.0.2.7\t8":                                "192.0.2.7/32",
		"192.0.2.7,443,2026-11-29":                    "192.0.2.7/32",
		`"192.0.2.7","botnet"`:                        "192.0.2.7/32",
		"192.0.2.7 seen on 198.51.100.7 today":        "192.0.2.7/32",
		"192.0.2.0-192.0.2.255":                       "192.0.2.0/24",
		"192.0.2.0 - 192.0.2.2 , 100 , somebody":      "192.0.2.0/31 192.0.2.2/32",
		"192.0.2.0\t192.0.2.255\t24\t31337\tISP":      "192.0.2.0/24",
		"192.0.2.0 192.0.2.255 somebody":              "192.0.2.0/32",
		"2001:db8::7":                                 "2001:db8::7/128",
		"2001:db8::/32":                               "2001:db8::/32",
		"2001:db8::-2001:db8::ffff":                   "2001:db8::/112",
		"::ffff:192.0.2.7":                            "192.0.2.7/32",
		"::ffff:192.0.2.0/120":                        "192.0.2.0/24",
		"192.0.0.0/16":                                "192.0.0.0/16",
		"":                                            "",
		"# 192.0.2.7":                                 "",
		"; 192.0.2.7":                                 "",
		"// 192.0.2.7":                                "",
		"192.0.2.7\n192.0.2.0/24\n192.0.2.9\n1.1.1.1": "1.1.1.1/32 192.0.2.0/24",
	} {
		c, err := parse(strings.NewReader(line))
		if got := text(c.entries); err != nil || got != want || c.bad.lines+c.wide.lines > 0 {
			t.Errorf("%q gives %q, %v, %+v; want %q", line, got, err, c.bad, want)
		}
	}
}

func TestALineThatIsNoEntryIsNamed(t *testing.T) {
	for line, isWide := range map[string]bool{
		"<html>": false, "192.0.2": false, "192.0.2.256": false, "192.0.2.7/33": false, "192.0.2.7:443": false, "192.0.2.9-192.0.2.7": false,
		"192.0.2.7-": false, "192.0.2.7-2001:db8::7": false, "fe80::1%eth0": false, "example.org": false,
		"10.0.0.0/15": true, "0.0.0.0/0": true, "192.0.2.0-192.1.2.0": true, "2001:db8::/31": true, "::/0": true, "0.0.0.0-255.255.255.255": true,
	} {
		c, err := parse(strings.NewReader("\n192.0.2.1\n" + line + " text\n198.51.100.1\n" + line))
		lapses, none := c.bad, c.wide
		if isWide {
			lapses, none = c.wide, c.bad
		}
		if err != nil || len(c.entries) != 2 || lapses.lines != 2 || lapses.first != 3 || !strings.HasPrefix(lapses.text, line) || none.lines > 0 {
			t.Errorf("%q: %+v, %v", line, c, err)
		}
	}
}

func TestAFileIsBounded(t *testing.T) {
	for name, c := range map[string]struct {
		from io.Reader
		want error
	}{
		"lines at most": {strings.NewReader(strings.Repeat("#\n", mostLines)), nil},
		"lines":         {strings.NewReader(strings.Repeat("#\n", mostLines+1)), errLines},
		"bytes":         {io.LimitReader(zeros{}, 10*mostBytes), errBytes},
		"no end":        {zeros{}, errBytes},
		"broken":        {iotest.ErrReader(io.ErrNoProgress), io.ErrNoProgress},
	} {
		if _, err := parse(c.from); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := parse(strings.NewReader(strings.Repeat("1.0.0.1-1.0.255.254\n", mostLines/25))); err == nil {
		t.Error("ranges of more networks than lines may be there are taken")
	}
	// A long line costs nothing but its end.
	c, err := parse(strings.NewReader("192.0.2.7 " + strings.Repeat("x", 3*mostLine) + "\n192.0.2.9\n"))
	if err != nil || text(c.entries) != "192.0.2.7/32 192.0.2.9/32" {
		t.Errorf("a long line: %+v, %v", c, err)
	}
}

// zeros is a file without an end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func number128(a netip.Addr) *big.Int { return new(big.Int).SetBytes(a.AsSlice()) }

// A range becomes the networks that hold exactly its addresses, and is wide when it has more than the widest network.
func TestARangeIsItsNetworks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		length, most := 4, new(big.Int).Lsh(big.NewInt(1), 32-widestV4)
		if rapid.Bool().Draw(t, "v6") {
			length, most = 16, new(big.Int).Lsh(big.NewInt(1), 128-widestV6)
		}
		raw := rapid.SliceOfN(rapid.Byte(), length, length).Draw(t, "first")
		first, _ := netip.AddrFromSlice(raw)
		if first.Is4In6() {
			t.Skip("it is IPv4")
		}
		size := new(big.Int).Lsh(big.NewInt(rapid.Int64Range(1, 300).Draw(t, "size")), uint(rapid.IntRange(0, 8*length-9).Draw(t, "shift")))
		size.Add(size, big.NewInt(rapid.Int64Range(-1, 1).Draw(t, "more")))
		end := new(big.Int).Add(number128(first), new(big.Int).Sub(size, big.NewInt(1)))
		if size.Sign() <= 0 || end.BitLen() > 8*length {
			t.Skip("it has no such end")
		}
		last, _ := netip.AddrFromSlice(end.FillBytes(make([]byte, length)))
		if got, want := wide(first, last), size.Cmp(most) > 0; got != want {
			t.Fatalf("%s-%s: wide = %v", first, last, got)
		} else if want {
			return
		}
		next := number128(first)
		for _, p := range appendRange(nil, first, last) {
			if p != p.Masked() || number128(p.Addr()).Cmp(next) != 0 {
				t.Fatalf("%s-%s: %s does not begin where the one before it ended", first, last, p)
			}
			next.Add(next, new(big.Int).Lsh(big.NewInt(1), uint(8*length-p.Bits())))
		}
		if end.Add(end, big.NewInt(1)).Cmp(next) != 0 {
			t.Errorf("%s-%s: the networks end before %s", first, last, next)
		}
	})
}

// Looking an address up in the sorted networks finds what looking at each finds.
func TestLookupIsThatOfEachEntry(t *testing.T) {
	network := rapid.Custom(func(t *rapid.T) netip.Prefix {
		if rapid.Bool().Draw(t, "v6") {
			return netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 1, byte(rapid.IntRange(0, 3).Draw(t, "a"))}), rapid.IntRange(16, 128).Draw(t, "bits")).Masked()
		}
		a := [4]byte{192, byte(rapid.IntRange(0, 2).Draw(t, "b")), 0, byte(rapid.IntRange(0, 255).Draw(t, "d"))}
		return netip.PrefixFrom(netip.AddrFrom4(a), rapid.IntRange(14, 32).Draw(t, "bits")).Masked()
	})
	rapid.Check(t, func(t *rapid.T) {
		lists, files := &Lists{}, [][]netip.Prefix{}
		for i := range 3 {
			files = append(files, rapid.SliceOfN(network, 0, 10).Draw(t, fmt.Sprint(i)))
			lists.files = append(lists.files, Listing{File{Label: fmt.Sprint(i)}, apart(slices.Clone(files[i]))})
		}
		p := network.Draw(t, "p")
		var want []string
		for i, file := range files {
			if slices.ContainsFunc(file, p.Overlaps) {
				want = append(want, fmt.Sprint(i))
			}
		}
		if got := lists.Lookup(p); !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	})
	if (*Lists)(nil).Lookup(netip.MustParsePrefix("192.0.2.7/32")) != nil || (*Lists)(nil).Entries(Label) != nil {
		t.Error("no lists at all have an entry")
	}
}

// FuzzParse: whatever a file holds, what comes of it is sorted, apart and no wider than it may be.
func FuzzParse(f *testing.F) {
	f.Add([]byte("192.0.2.0-192.0.2.9\n2001:db8::/32 x\n::ffff:1.2.3.4/120\n1.2.3.4 5.6.7.8 24\n#\n;\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parse(strings.NewReader(string(data)))
		if err != nil {
			return
		}
		for i, p := range c.entries {
			if p != p.Masked() || p.Addr().Is4In6() || p.Addr().Is4() && p.Bits() < widestV4 || p.Addr().Is6() && p.Bits() < widestV6 {
				t.Errorf("entry %s", p)
			}
			if i > 0 && (c.entries[i-1].Overlaps(p) || c.entries[i-1].Compare(p) >= 0) {
				t.Errorf("%s and %s", c.entries[i-1], p)
			}
		}
	})
}

// BenchmarkParse reads a list of single addresses, of the length that is still taken.
func BenchmarkParse(b *testing.B) {
	var text strings.Builder
	for i := range mostLines {
		fmt.Fprintf(&text, "%d.%d.%d.7 # seen\n", 1+i>>16, i>>8&255, i&255)
	}
	for b.Loop() {
		if c, err := parse(strings.NewReader(text.String())); err != nil || len(c.entries) != mostLines {
			b.Fatalf("%d entries, %v", len(c.entries), err)
		}
	}
}
