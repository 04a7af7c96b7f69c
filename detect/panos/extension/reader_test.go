package extension

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// randomLine is a record that holds keys of every class, known and unknown, where they belong and where a stranger put them.
func randomLine(r *rand.Rand) string {
	leef := r.IntN(2) == 0
	t, separator, head := cefKeys, " ", "CEF:0|Palo Alto Networks|PAN-OS|11.1|end|TRAFFIC|1|"
	switch {
	case leef && r.IntN(2) == 0:
		t, separator, head = leefKeys, "|", "LEEF:1.0|Palo Alto Networks|PAN-OS Syslog Integration|11.1|deny|"
	case leef:
		t, separator, head = leefKeys, "\t", "LEEF:2.0|Palo Alto Networks|Next Generation Firewall|11.1|deny| |"
	case r.IntN(3) == 0:
		head = "CEF:0|Palo Alto Networks|LF|2.0|THREAT|url|1|"
	}
	var b strings.Builder
	b.WriteString(head)
	for n := range r.IntN(60) {
		if n > 0 {
			b.WriteString(separator)
		}
		switch r.IntN(12) {
		case 0:
			fmt.Fprintf(&b, "unknown%d=", r.IntN(900))
		case 1:
			b.WriteString([]string{"src=", "suser=", "request=", "=", "a=b", "msg=", "externalId=", "sequence=", " =", "Rule ="}[r.IntN(10)])
		default:
			b.WriteString(t[(r.IntN(len(t))+n)%len(t)].name + "=")
		}
		b.WriteString([]string{"", "x", "203.0.113.5", " blanks ", "a=b", "some words", "x y=z", strings.Repeat("long", 40)}[r.IntN(8)])
	}
	return b.String()
}

// read gives all that a reader finds in a record.
func read(r *Reader, line string) string {
	var err error
	if strings.HasPrefix(line, "C") {
		err = r.CEF([]byte(line))
	} else {
		err = r.LEEF([]byte(line))
	}
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%v %v %v %v %q %q %q", r.Cloud(), r.HasContents(), r.IsOpen(), r.IsClosed(), r.Log(), r.Signature(), r.HeaderSeverity())
	for f := Src; f < numFields; f++ {
		if r.Has(f) {
			fmt.Fprintf(&b, " %d=%q %v%v%v%v%v", f, r.Value(f), r.Ahead(f), r.AheadOfContents(f), r.Certain(f), r.First(f), r.Last(f))
		}
	}
	return b.String()
}

// TestReadersForgetNothingAndNobody: what a reader finds is what a new one finds, whatever it read before.
func TestReadersForgetNothingAndNobody(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var used Reader
	last := ""
	for range 4000 {
		line := randomLine(random)
		if last != "" && random.IntN(2) == 0 { // nearly the one ahead
			at := random.IntN(len(last))
			line = last[:at] + line[random.IntN(len(line)):]
			if !strings.HasPrefix(line, "CEF:") && !strings.HasPrefix(line, "LEEF:") {
				line = last
			}
		}
		var fresh Reader
		if got, want := read(&used, line), read(&fresh, line); got != want {
			t.Fatalf("%s\ngot  %s\nwant %s", line, got, want)
		}
		last = line
	}
	for f := range used.maps {
		if n := used.maps[f].unknown; n > mostUnknown {
			t.Errorf("%d keys are kept that are not known", n)
		}
	}
}

// templateLine is a record of a template, whose values are of any length and now and then hold what no value should.
func templateLine(r *rand.Rand) string {
	template := []struct{ head, separator, keys string }{
		{"CEF:0|Palo Alto Networks|PAN-OS|11.1|end|TRAFFIC|1|", " ", "rt src dst cs1Label cs1 duser suser dvchost app spt dpt proto act ownKey in out start reason"},
		{"CEF:0|Palo Alto Networks|PAN-OS|11.1|url|THREAT|1|", " ", "rt src dst cs1Label cs1 suser duser app spt dpt proto act request cs2 flexString2 cat dvchost PanOSRuleUUID"},
		{"CEF:0|Palo Alto Networks|PAN-OS|11.1|url|TRAFFIC|1|", " ", "rt src dst cs1Label cs1 suser duser app spt dpt proto act request cs2 flexString2 cat dvchost PanOSRuleUUID"},
		{"CEF:0|Palo Alto Networks|LF|2.0|TRAFFIC|end|1|", " ", "rt src dst cs1Label cs1 duser suser dvchost app spt dpt proto act ownKey in out start reason"},
		{"LEEF:1.0|Palo Alto Networks|PAN-OS Syslog Integration|11.1|deny|", "|", "cat src dst usrName Application srcPort Miscellaneous dstPort Severity Direction"},
		{"LEEF:1.0|Palo Alto Networks|PAN-OS Syslog Integration|11.1|deny|", "\t", "cat src dst usrName Application srcPort Miscellaneous dstPort Severity Direction"},
		// One that names another separator than it has.
		{"LEEF:2.0|Palo Alto Networks|PAN-OS Syslog Integration|11.1|deny|^|", "|", "cat src dst usrName Application srcPort Miscellaneous dstPort Severity Direction"},
	}[r.IntN(7)]
	var b strings.Builder
	b.WriteString(template.head)
	for n, key := range strings.Fields(template.keys) {
		if n > 0 && r.IntN(300) > 0 {
			b.WriteString(template.separator)
		}
		b.WriteString(key + "=")
		switch r.IntN(150) {
		case 0:
			b.WriteString([]string{"a=b", "=", template.separator + "src=9", template.separator + "dpt=", template.separator + "x=", template.separator}[r.IntN(6)])
		case 1, 2, 3, 4, 5:
			b.WriteString([]string{"/?q=1&r=2", "/?q=1" + template.separator + "r=2", "/?q=1" + template.separator + "?cs2=2", "CN=a, OU=b", "cat=x"}[r.IntN(5)])
		default:
			b.WriteString([]string{"", "7", "TRAFFIC", "THREAT", "some words", " blanks ", "203.0.113.5"}[r.IntN(7)])
		}
	}
	line := b.String()
	if r.IntN(20) == 0 {
		line = line[:len(template.head)+r.IntN(len(line)-len(template.head))]
	}
	return line
}

// TestLayoutsChangeNothing: what is found in a record is the same whether one like it was read before or not, and most are recalled.
func TestLayoutsChangeNothing(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	var used Reader
	recalled := 0
	const lines = 10_000
	for range lines {
		line := templateLine(random)
		var fresh Reader
		if got, want := read(&used, line), read(&fresh, line); got != want {
			t.Fatalf("%q\ngot  %s\nwant %s", line, got, want)
		}
		m := &used.maps[leef]
		separator := byte('\t')
		switch {
		case strings.HasPrefix(line, "CEF"):
			m, separator = &used.maps[cef], ' '
		case strings.HasPrefix(line, "LEEF:1.0") && strings.Contains(line, "|src="):
			separator = '|'
		}
		if used.recall(m, strings.Count(string(used.text), "="), separator) {
			recalled++
		}
	}
	if recalled < lines/2 {
		t.Errorf("%d of %d records had a layout that was known", recalled, lines)
	}
}

// TestInertSigns: a record with equals signs in what strangers chose is measured by the layout of one without, unless they may end a key.
func TestInertSigns(t *testing.T) {
	const threat, traffic = "CEF:0|Palo Alto Networks|PAN-OS|11.1|url|THREAT|1|src=1 suser=USER spt=2 request=PAGE cs2Label=x cs2=y cat=SITE", "CEF:0|Palo Alto Networks|PAN-OS|11.1|end|TRAFFIC|1|cs1=y src=1 suser=USER dpt=PAGE cs2=SITE"
	for _, c := range []struct {
		line, user, page, site string
		measured               bool
	}{
		{threat, "", "/?a=b&c=d", "", true}, {threat, "CN=a, OU=b", "=", "", true}, {threat, "a", "/? a=b cs=2", "", true}, {threat, "a", "x?src=2", "", true}, {threat, "a cs3=b", "x", "", false},
		{threat, "a", "/ src=2", "", false}, {threat, "a", "/ cs2Label=2", "", false}, {threat, "a", "/", "a=b", false}, {threat, "spt=", "src=", "", true},
		{traffic, "a=b", "2", "", true}, {traffic, "a", "2=3", "", false}, {traffic, "a", "2", "=", false}, {traffic, "a b=c", "", "", true},
	} {
		fill := func(user, page, site string) string {
			return strings.NewReplacer("USER", user, "PAGE", page, "SITE", site).Replace(c.line)
		}
		var r, fresh Reader
		for _, user := range []string{"alice", "bob", "bob", "carol of sales"} {
			read(&r, fill(user, "/", "7"))
		}
		line := fill(c.user, c.page, c.site)
		if r.text = []byte(line[strings.Index(line, "|1|")+3:]); r.recall(&r.maps[cef], strings.Count(line, "="), ' ') != c.measured {
			t.Errorf("%s: expected measured %v", line, c.measured)
		}
		if got, want := read(&r, line), read(&fresh, line); got != want {
			t.Errorf("%s\ngot  %s\nwant %s", line, got, want)
		}
	}
}

// TestTheKeyThatCounts has the rules of the package's comment, by the destination port.
func TestTheKeyThatCounts(t *testing.T) {
	const traffic, threat = "CEF:0|Palo Alto Networks|PAN-OS|11.1|end|TRAFFIC|1|", "CEF:0|Palo Alto Networks|PAN-OS|11.1|x(1)|THREAT|1|"
	for _, c := range []struct{ line, want string }{
		{traffic + "src=1 dpt=3 dpt=2 suser=x dpt=4", "2"},                        // ahead of all that strangers chose
		{traffic + "src=1 suser=x dpt=3 request=x dpt=2", "2"},                    // a user wrote the content, too
		{threat + "src=1 suser=x dpt=3 dpt=2 request=x dpt=4", "2"},               // ahead of contents, the last
		{threat + "src=1 request=x dpt=3 dpt=2", "2"},                             // behind contents, the last
		{threat + "suser=x request=x dpt=3 src=1 dpt=2 request=dpt=4 dpt=5", "2"}, // behind the source
		{threat + "src=1 request=x dpt=2 unknown=3", "2"},                         // a key that is not known ends it
		{threat + "src=1 request=x dpt=2", "2"}, {threat + "src=1 dpt= 2 ", "2"}, {threat + "src=1 dpt=", ""}, {threat + "src=1 xdpt=3", ""},
		{"LEEF:1.0|Palo Alto Networks|PAN-OS Syslog Integration|11|x|cat=TRAFFIC|src=1|usrName=x|dstPort=3|URL=x|dstPort=2", "2"},
	} {
		var r Reader
		if read(&r, c.line); string(r.Value(DstPort)) != c.want {
			t.Errorf("%s: %q, want %q", c.line, r.Value(DstPort), c.want)
		}
	}
	var r Reader
	read(&r, threat+"src=1 suser=a b=c d request=x")
	if string(r.Value(User)) != "a b=c d" {
		t.Errorf("a user %q", r.Value(User))
	}
	if read(&r, "CEF:0|Palo Alto Networks|PAN-OS|11.1|auth|SYSTEM|1|msg=x externalId=1 cat=y externalId=2 cat=z"); string(r.Value(Message)) != "x externalId=1 cat=y" || string(r.Value(Category)) != "z" {
		t.Errorf("a description %q of %q", r.Value(Message), r.Value(Category))
	}
}

// TestAnySeparator: whatever byte a header of LEEF 2.0 names, the record can be read, and no other one than by a new reader.
func TestAnySeparator(t *testing.T) {
	const head = "LEEF:2.0|Palo Alto Networks|Next Generation Firewall|11.2|deny|"
	var used Reader
	for c := range 256 {
		read(&used, head+"^|firstKey=1^src=1^dst=2")
		line := fmt.Sprintf("%s0x%02X|%s", head, c, strings.ReplaceAll("firstKey=1^src=dst=^^dstPort=2=", "^", string([]byte{byte(c)})))
		var fresh Reader
		if got, want := read(&used, line), read(&fresh, line); got != want {
			t.Errorf("%q\ngot  %s\nwant %s", line, got, want)
		}
	}
}

func FuzzReader(f *testing.F) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		line := randomLine(random)
		f.Add(line)
	}
	var used Reader
	f.Fuzz(func(t *testing.T, line string) {
		if !strings.HasPrefix(line, "CEF:") && !strings.HasPrefix(line, "LEEF:") {
			return
		}
		var fresh Reader
		if got, want := read(&used, line), read(&fresh, line); got != want {
			t.Fatalf("got  %s\nwant %s", got, want)
		}
	})
}
