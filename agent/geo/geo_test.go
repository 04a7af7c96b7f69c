package geo

import (
	"bytes"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// named is a record as MaxMind and DB-IP write it.
func named(code, name string) map[string]any {
	return map[string]any{"iso_code": code, "names": map[string]any{"de": "Land", "en": name}}
}

var world = map[netip.Prefix]map[string]any{
	netip.MustParsePrefix("203.0.113.0/24"):    {"country": named("NL", "Netherlands"), "registered_country": named("DE", "Germany")},
	netip.MustParsePrefix("198.51.100.0/25"):   {"registered_country": named("AU", "Australia")},
	netip.MustParsePrefix("198.51.100.128/25"): {"country": "SE", "country_name": "Sweden"},
	netip.MustParsePrefix("192.0.2.0/24"):      {"country": "FR", "asn": "AS64500"},
	netip.MustParsePrefix("233.252.0.0/24"):    {"country": map[string]any{"iso_code": "BE"}},
	netip.MustParsePrefix("2001:db8::/32"):     {"country": named("JP", "Japan")},
	netip.MustParsePrefix("2001:db9::/32"):     {"country": named("XX", "Bad\x1b[2Jland")},
}

// A fileTest is a file in a folder of its own, and a clock.
type fileTest struct {
	*File
	t   *testing.T
	now time.Time
}

func newFileTest(t *testing.T, content []byte) *fileTest {
	f := &fileTest{t: t, now: time.Unix(1_796_000_000, 0)}
	path := filepath.Join(t.TempDir(), "country.mmdb")
	f.File = &File{path: path, now: func() time.Time { return f.now }}
	f.put(content)
	f.lookOnce()
	return f
}

// put writes the file beside the old one and renames it; nil takes it away.
func (f *fileTest) put(content []byte) {
	f.t.Helper()
	if content == nil {
		if err := os.Remove(f.path); err != nil && !os.IsNotExist(err) {
			f.t.Fatal(err)
		}
		return
	}
	if err := os.WriteFile(f.path+".new", content, 0o600); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Rename(f.path+".new", f.path); err != nil {
		f.t.Fatal(err)
	}
}

// expect compares the country of 203.0.113.66, and whether something is wrong that says a text.
func (f *fileTest) expect(country, wrong string) {
	f.t.Helper()
	if got := f.Country(netip.MustParseAddr("203.0.113.66")); got != country {
		f.t.Errorf("the country is %q, not %q", got, country)
	}
	since, what, remedy := f.Trouble()
	if (what == "") != (wrong == "") || !strings.Contains(what, wrong) || (what == "") != (remedy == "") || (what == "") != since.IsZero() {
		f.t.Errorf("the trouble is %q (%s) since %s, not %q", what, remedy, since, wrong)
	}
}

// The sample that tests elsewhere read is this world.
func TestTheSample(t *testing.T) {
	sample, err := os.ReadFile("testdata/country.mmdb")
	if err != nil || !bytes.Equal(sample, database(world)) {
		t.Errorf("testdata/country.mmdb is another one: %v", err)
	}
}

func TestCountries(t *testing.T) {
	f := newFileTest(t, database(world))
	f.expect("Netherlands", "")
	for address, want := range map[string]string{
		"203.0.113.1": "Netherlands", "198.51.100.1": "Australia", "198.51.100.200": "Sweden", "192.0.2.1": "FR", "233.252.0.9": "BE", "2001:db8::1": "Japan",
		"::ffff:203.0.113.1": "Netherlands", "10.0.0.1": "", "8.8.8.8": "", "2001:db9::1": "XX",
	} {
		for range 2 { // the second time it is remembered
			if got := f.Country(netip.MustParseAddr(address)); got != want {
				t.Errorf("%s is in %q, not %q", address, got, want)
			}
		}
	}
	if got := f.Country(netip.Addr{}); got != "" {
		t.Errorf("no address is in %q", got)
	}
	f.expect("Netherlands", "")
	if Open("", time.Now).Countries() != nil {
		t.Error("there is no file, and one that is asked")
	}
}

// A changed file is read, a broken one is told and costs nothing that was known, and one that is mended ends the trouble.
func TestAChangedFileIsReadAndABrokenOneIsTold(t *testing.T) {
	f := newFileTest(t, nil)
	f.expect("", "no such file or directory")
	begun, _, _ := f.Trouble()
	f.now = f.now.Add(time.Hour)
	f.lookOnce()
	if since, _, _ := f.Trouble(); !since.Equal(begun) {
		t.Errorf("the trouble began at %s, not %s", since, begun)
	}
	good := database(world)
	f.put(good)
	f.expect("", "no such file") // until it is looked at
	f.lookOnce()
	f.expect("Netherlands", "")
	for name, broken := range map[string][]byte{
		"it names no country (it is a Test-Country)": database(map[netip.Prefix]map[string]any{netip.MustParsePrefix("203.0.113.0/24"): {"autonomous_system_number": uint32(64500)}}),
		"MaxMind's format, or damaged":               good[:len(good)/2],
		"or damaged: ":                               []byte("203.0.113.0/24,NL\n"),
		"damaged":                                    {},
	} {
		f.put(broken)
		f.lookOnce()
		f.expect("Netherlands", name)
		f.expect("Netherlands", "countries are told from it as it was read before")
	}
	moved := map[netip.Prefix]map[string]any{netip.MustParsePrefix("203.0.113.0/24"): {"country": named("SE", "Sweden")}}
	f.put(database(moved))
	f.lookOnce()
	f.expect("Sweden", "")
	f.put(nil)
	f.lookOnce()
	f.expect("Sweden", "no such file")
	if err := os.Mkdir(f.path, 0o700); err != nil {
		t.Fatal(err)
	}
	f.lookOnce()
	f.expect("Sweden", "not a regular file")
}

// Whatever byte of a file is wrong, an answer comes, and the program goes on.
func TestADamagedFileIsSurvived(t *testing.T) {
	good := database(world)
	f := newFileTest(t, good)
	taken := 0
	for i := range good {
		for _, wrong := range []byte{0, 0xff, good[i] ^ 0x20} {
			damaged := append([]byte(nil), good...)
			damaged[i] = wrong
			reader, err := parse(damaged)
			if err != nil {
				continue
			}
			taken++
			f.reader, f.countries = reader, make(map[uintptr]string)
			for p := range world {
				f.Country(p.Addr().Next())
			}
		}
	}
	if taken == 0 {
		t.Error("no damaged file was used at all")
	}
	f.expect(f.Country(netip.MustParseAddr("203.0.113.66")), "it is damaged")
}
