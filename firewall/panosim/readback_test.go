package panosim

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/userid"
)

// The vendor's example of a read-back, to the letter.
func TestReadBackShape(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	p.uid(`<register><entry ip="10.0.0.1" persistent="1"><tag><member timeout="0">malicious</member></tag></entry>` +
		`<entry ip="10.0.0.2" persistent="0"><tag><member timeout="3600">malicious</member></tag></entry></register>`)
	want := `<response status="success"><result>` +
		`<entry ip="10.0.0.1" from_agent="0" persistent="1"><tag><member>malicious</member></tag></entry>` +
		`<entry ip="10.0.0.2" from_agent="0" persistent="0"><tag><member>malicious</member></tag></entry>` +
		`<count>2</count></result></response>`
	for _, filters := range []string{
		``, `<all/>`, `<start-point>1</start-point><limit>500</limit><all/>`,
		`<tag><entry name="malicious"></entry></tag><limit>500</limit><start-point>1</start-point>`,
	} {
		expect(t, filters, p.registered(filters), want)
	}
}

func TestReadBackDialects(t *testing.T) {
	entry := func(ip, tags string) string {
		return `<entry ip="` + ip + `" from_agent="0" persistent="1"><tag>` + tags + `</tag></entry>`
	}
	four, six := "192.0.2.1", "2001:db8::1"
	a, ab := "<member>a</member>", "<member>a</member><member>b</member>"
	both := entry(four, ab) + entry(six, a)
	for _, c := range []struct {
		dialect       dialect.Dialect
		filters, want string
	}{
		{dialect.Dialect{}, `<all/>`, both + `<count>2</count>`},
		{dialect.Dialect{}, `<tag><entry name="b"/></tag>`, entry(four, ab) + `<count>1</count>`},
		{dialect.Dialect{FilteredTags: dialect.FilteredMatching}, `<tag><entry name="b"/></tag>`, entry(four, `<member>b</member>`) + `<count>1</count>`},
		{dialect.Dialect{FilteredTags: dialect.FilteredMatching}, `<all/>`, both + `<count>2</count>`},
		{dialect.Dialect{}, `<ip>2001:db8:0::1</ip>`, entry(six, a) + `<count>1</count>`},
		{dialect.Dialect{}, `<ip>192.0.2.1</ip><tag><entry name="b"/></tag>`, entry(four, ab) + `<count>1</count>`},
		{dialect.Dialect{}, `<limit>1</limit><start-point>2</start-point>`, entry(six, a) + `<count>1</count>`},
		{dialect.Dialect{PageCount: dialect.CountTotal}, `<limit>1</limit>`, entry(four, ab) + `<count>2</count>`},
		{dialect.Dialect{PageCount: dialect.CountLimit}, `<limit>7</limit>`, both + `<count>7</count>`},
		{dialect.Dialect{PageCount: dialect.CountAbsent}, `<all/>`, both},
		{dialect.Dialect{HostForm: dialect.HostPrefix}, `<all/>`, entry(four+"/32", ab) + entry(six+"/128", a) + `<count>2</count>`},
		{dialect.Dialect{HostForm: dialect.HostExpanded}, `<ip>2001:db8::1/128</ip>`, entry("2001:0db8:0000:0000:0000:0000:0000:0001", a) + `<count>1</count>`},
		{dialect.Dialect{}, `<tag><entry name="none"/></tag>`, ``},
		{dialect.Dialect{}, `<start-point>3</start-point>`, ``},
		{dialect.Dialect{}, `<ip>192.0.2.1</ip><start-point>2</start-point>`, ``},
		{dialect.Dialect{}, `<ip>192.0.2.1</ip><tag><entry name="none"/></tag>`, ``},
		{dialect.Dialect{Empty: dialect.EmptyCount}, `<start-point>3</start-point>`, `<count>0</count>`},
	} {
		s := start(t, Options{Dialect: c.dialect})
		p := newPeer(t, s)
		p.uid(`<register>` + tags(four, "a", "b") + tags(six, "a") + `</register>`)
		want := `<result>` + c.want + `</result>`
		if c.want == "" {
			want = `<result/>`
		}
		expect(t, fmt.Sprint(c.dialect, " ", c.filters), p.registered(c.filters), `<response status="success">`+want+`</response>`)
	}
}

func TestReadBackExtras(t *testing.T) {
	s := start(t, Options{Dialect: dialect.Dialect{Extras: dialect.ExtrasPresent}})
	fw := connect(t, s, nil)
	if err := s.Addresses().Register("", prefix("192.0.2.1"), "a & <b>", 0); err != nil {
		t.Fatal(err)
	}
	got, err := fw.UserId.GetIpTags("192.0.2.1", "a & <b>", "")
	if err != nil || len(got["192.0.2.1"]) != 1 || got["192.0.2.1"][0] != "a & <b>" {
		t.Errorf("GetIpTags = %q, %v", got, err)
	}
	if body := newPeer(t, s).registered(""); !strings.Contains(body, `epoch="7"`) || !strings.Contains(body, `<member origin="api">a &amp; &lt;b&gt;</member>`) {
		t.Errorf("body = %s", body)
	}
}

func TestReadBackRefusals(t *testing.T) {
	for _, c := range []struct{ Version, filters, want string }{
		{"10.1.0", `<limit>0</limit>`, `limit &#39;0&#39; is invalid`},
		{"10.1.0", `<start-point>x</start-point>`, `start-point &#39;x&#39; is invalid`},
		{"10.1.0", `<ip>nonsense</ip>`, `is not a valid ip address`},
		{"10.1.0", `<tag/>`, `tag is invalid`},
		{"10.1.0", `<all><option>count</option></all>`, `all -&gt; option is unexpected`},
		{"10.1.0", `<colour/>`, `colour is unexpected`},
		{"7.1.0", `<limit>5</limit>`, `limit is unexpected`},
		{"6.0.0", ``, `show -&gt; object -&gt; registered-ip is unexpected`},
	} {
		p := newPeer(t, start(t, Options{Version: c.Version}))
		if body := p.registered(c.filters); !strings.HasPrefix(body, `<response status="error" code="17">`) || !strings.Contains(body, c.want) {
			t.Errorf("%s %s: %s", c.Version, c.filters, body)
		}
	}
}

func TestReadBackOfOldVersions(t *testing.T) {
	s := start(t, Options{Version: "7.1.0"})
	p := newPeer(t, s)
	for i := range 500 {
		if err := s.Addresses().Register("", host(i), "a", 0); err != nil {
			t.Fatal(err)
		}
	}
	if body := p.registered(""); strings.Count(body, "<entry") != 500 {
		t.Errorf("500 addresses: %d entries", strings.Count(body, "<entry"))
	}
	if err := s.Addresses().Register("", host(500), "a", 0); err != nil {
		t.Fatal(err)
	}
	expect(t, "501 addresses", p.registered(""), `<response status="success"><result><msg><line><outfile>/var/log/clioutput/regipdump</outfile></line></msg></result></response>`)
	s = start(t, Options{Version: "6.0.0"})
	if err := s.Addresses().Register("", host(1), "a", 0); err != nil {
		t.Fatal(err)
	}
	body := newPeer(t, s).op("<show><object><registered-address><tag><entry name='a'/></tag></registered-address></object></show>")
	if !strings.Contains(body, `ip="10.0.0.1"`) {
		t.Errorf("registered-address: %s", body)
	}
}

// A page never holds more than 500, whatever is asked for, and the order is that of registering.
func TestPagesAreCapped(t *testing.T) {
	s := start(t, Options{})
	p := newPeer(t, s)
	for i := range 1203 {
		if err := s.Addresses().Register("", host(i), "a", 0); err != nil {
			t.Fatal(err)
		}
	}
	next := 0
	for _, size := range []int{500, 500, 203, 0} {
		body := p.registered(`<limit>100000</limit><start-point>` + strconv.Itoa(next+1) + `</start-point><all/>`)
		if got := strings.Count(body, "<entry"); got != size {
			t.Fatalf("page from %d: %d entries, want %d", next+1, got, size)
		}
		if size > 0 && !strings.HasPrefix(body, `<response status="success"><result><entry ip="`+host(next).Addr().String()+`"`) {
			t.Errorf("page from %d begins %.100s", next+1, body)
		}
		next += size
	}
}

// What is taken off between two pages moves the rest up, and a reader that goes by numbers misses as many.
func TestPagesShiftUnderTheReader(t *testing.T) {
	s := start(t, Options{})
	for i := range 600 {
		if err := s.Addresses().Register("", host(i), "a", 0); err != nil {
			t.Fatal(err)
		}
	}
	var pages []userid.Page
	s.Addresses().SetPageHook(func(page userid.Page) {
		if pages = append(pages, page); len(pages) > 1 {
			return
		}
		for i := range 50 {
			if err := s.Addresses().Unregister("", host(i), "a"); err != nil {
				t.Error(err)
			}
		}
	})
	got, err := connect(t, s, nil).UserId.GetIpTags("", "a", "")
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 550 || got[host(549).Addr().String()] != nil || got[host(550).Addr().String()] == nil {
		t.Errorf("read %d, those from 500 to 549 should be missed", len(got))
	}
	want := []userid.Page{{VSys: "vsys1", Start: 1, Limit: 500, Entries: 500, Total: 600}, {VSys: "vsys1", Start: 501, Limit: 500, Entries: 50, Total: 550}}
	if len(pages) != 2 || pages[0] != want[0] || pages[1] != want[1] {
		t.Errorf("pages = %+v, want %+v", pages, want)
	}
}
