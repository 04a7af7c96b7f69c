package notify

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/mail"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"activedefense/config"
	"activedefense/store"
)

// mailServer is an SMTP server that keeps what it takes.
type mailServer struct {
	address string
	mu      sync.Mutex
	mails   []received
	refuse  func(to string) error // of an address; nil: none is
	fail    error                 // of every mail
	filter  func(received) bool   // takes it; nil: any
	refused int                   // mails that it did not take
	users   []string              // who logged in
	most    int                   // bytes of a mail; 0: any
}

type received struct {
	to      []string
	header  mail.Header
	subject string
	parts   map[string]string // by media type
}

func newMailServer(t *testing.T, ca authority, implicit bool) *mailServer {
	m := &mailServer{}
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{server: m}, nil }))
	s.Domain, s.TLSConfig, s.ReadTimeout, s.MaxMessageBytes = "localhost", ca.server, 20*time.Second, 100<<20
	s.ErrorLog = log.New(io.Discard, "", 0)
	l := listen(t)
	m.address = l.Addr().String()
	if implicit {
		s.TLSConfig = nil
		l = tlsListener(l, ca)
	}
	s.AllowInsecureAuth = implicit // it does not know of the TLS around it
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return m
}

func (m *mailServer) all() []received {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.mails)
}

// more is the addresses of the mails from the n-th on, and moves n behind them: each is read once, however often it is asked.
func (m *mailServer) more(t *testing.T, n *int) (list []string) {
	for _, one := range m.all()[*n:] {
		list = append(list, one.addresses(t)...)
		*n++
	}
	return list
}

type session struct {
	server *mailServer
	to     []string
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if password != "pass word" {
			return errors.New("no")
		}
		s.server.mu.Lock()
		defer s.server.mu.Unlock()
		s.server.users = append(s.server.users, username)
		return nil
	}), nil
}

func (s *session) Mail(string, *smtp.MailOptions) error { return nil }
func (s *session) Reset()                               { s.to = nil }
func (s *session) Logout() error                        { return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.refuse != nil {
		if err := s.server.refuse(to); err != nil {
			return err
		}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	if s.server.fail != nil {
		return s.server.fail
	}
	if s.server.most > 0 && len(content) > s.server.most {
		return &smtp.SMTPError{Code: 552, EnhancedCode: smtp.EnhancedCode{5, 3, 4}, Message: "too large"}
	}
	one := received{to: s.to, parts: make(map[string]string)}
	msg, err := mail.ReadMessage(bytes.NewReader(content))
	if err != nil {
		return err
	}
	one.header = msg.Header
	if one.subject, err = new(mime.WordDecoder).DecodeHeader(msg.Header.Get("Subject")); err != nil {
		return err
	}
	if err := one.read(msg.Header.Get("Content-Type"), "", msg.Body); err != nil {
		return err
	}
	if s.server.filter != nil && !s.server.filter(one) {
		s.server.refused++
		return &smtp.SMTPError{Code: 554, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "it contains a virus"}
	}
	s.server.mails = append(s.server.mails, one)
	return nil
}

// read takes in a part, and those in it.
func (r *received) read(contentType, encoding string, content io.Reader) error {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return err
	}
	if strings.HasPrefix(kind, "multipart/") {
		for parts := multipart.NewReader(content, params["boundary"]); ; {
			part, err := parts.NextRawPart()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := r.read(part.Header.Get("Content-Type"), part.Header.Get("Content-Transfer-Encoding"), part); err != nil {
				return err
			}
		}
	}
	switch encoding {
	case "quoted-printable":
		content = quotedprintable.NewReader(content)
	case "base64":
		content = base64.NewDecoder(base64.StdEncoding, content)
	}
	text, err := io.ReadAll(content)
	r.parts[kind] += strings.ReplaceAll(string(text), "\r\n", "\n")
	return err
}

// addresses are those that a mail names, in its text or its table.
func (r *received) addresses(t *testing.T) (list []string) {
	if table, ok := r.parts["text/csv"]; ok {
		rows, err := csv.NewReader(strings.NewReader(table)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows[1:] {
			list = append(list, row[2])
		}
		return list
	}
	for line := range strings.Lines(r.parts["text/plain"]) {
		if address, found := strings.CutSuffix(strings.TrimSpace(line), ` --reason "..."`); found {
			list = append(list, strings.TrimPrefix(address, "$ activedefense blacklist remove "))
		}
	}
	return list
}

func (m *mailServer) config(ca authority) config.Mail {
	return config.Mail{Server: m.address, TLS: "starttls", CA: ca.pem, From: "ad@example.com", To: []string{"soc@example.com"}, Digest: 10 * time.Minute, MaxPerHour: 6}
}

// A mail says what was blocked and why, with the log lines, the country and the command to undo it, as text and as HTML, over a verified connection. What strangers chose
// makes no header, no markup and no formula.
func TestAMailTellsOfABlock(t *testing.T) {
	for _, kind := range []string{"starttls", "tls"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w, ca := newWorld(t), newAuthority(t)
			m := newMailServer(t, ca, kind == "tls")
			w.cfg.Mail = m.config(ca)
			w.cfg.Mail.TLS, w.cfg.Mail.Username, w.cfg.Mail.Password = kind, "ad", "pass word"
			w.start()
			began := time.Now()
			evil := "anna\r\nBcc: x@example.com\r\n\r\n<script>alert(1)</script>"
			address := w.block(1, func(b *store.Block) {
				b.Reason, b.Rule = "5 failed logins of "+evil, "=login\r\nX-Evil: 1"
				b.Evidence = []store.Evidence{{Line: "user=" + evil}}
			})[0]
			w.until("a mail", func() bool { return len(m.all()) == 1 })
			if took := time.Since(began); took > 9*time.Second {
				t.Errorf("it took %v", took)
			}
			one := m.all()[0]
			plain, html := one.parts["text/plain"], one.parts["text/html"]
			for _, want := range []string{address + " is blocked", "country: Netherlands", "device: LAB-FW-01", "grade: proven", `$ activedefense blacklist remove ` + address, `| user=anna\u000d\u000aBcc`} {
				if !strings.Contains(plain, want) {
					t.Errorf("the text lacks %q: %s", want, plain)
				}
			}
			if !strings.Contains(html, "&lt;script&gt;") || strings.Contains(html, "<script>") || !strings.Contains(html, "blacklist remove "+address) {
				t.Errorf("the HTML is %s", html)
			}
			if !strings.HasPrefix(one.subject, "Active Defense on sensor-1: "+address+" is blocked") || one.header.Get("Bcc") != "" || one.header.Get("X-Evil") != "" || one.header.Get("Auto-Submitted") == "" ||
				!slices.Equal(one.to, []string{"soc@example.com"}) || strings.Join(m.users, " ") != "ad" {
				t.Errorf("its subject is %q, its header %v, to %v, as %v", one.subject, one.header, one.to, m.users)
			}
		})
	}
}

// A storm while the server is away for ten minutes and more, in which hours pass: few mails, every address in one of them, and other events do not wait for these.
func TestAStormIsFewMails(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	w.gather = 0 // the clock stands: on a slow machine a minute passes meanwhile, and with it the hour
	m := newMailServer(t, ca, false)
	m.fail = &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 3, 0}, Message: "not now"}
	w.cfg.Mail = m.config(ca)
	n, stop := w.start()
	want := w.block(storm)
	w.until("a failure", func() bool { return state(n, "mail-blocks").Failing })
	for range 9 {
		want = append(want, w.block(storm)...)
	}
	at := time.Now()
	forward := func(by time.Duration) {
		at = at.Add(by)
		w.stopClock(at)
	}
	wake := func() {
		for _, r := range n.receivers {
			r.wake.Wake()
		}
	}
	forward(11 * time.Minute)
	failures := state(n, "mail-blocks").Failures
	w.until("two more failures", func() bool { // of which the second has all there is
		forward(10 * time.Second)
		wake()
		return state(n, "mail-blocks").Failures >= failures+2
	})
	m.mu.Lock()
	m.fail = nil
	m.mu.Unlock()
	blocks := func() (list []received) {
		for _, one := range m.all() {
			if strings.Contains(one.subject, "blocked") {
				list = append(list, one)
			}
		}
		return list
	}
	addresses := func() (list []string) {
		for _, one := range blocks() {
			list = append(list, one.addresses(t)...)
		}
		return list
	}
	w.until("the mail", func() bool {
		if len(blocks()) == 0 {
			forward(10 * time.Second)
		}
		wake()
		return len(blocks()) == 1 && state(n, "mail-blocks").Waiting == 0
	})
	if n := len(blocks()); n != 1 || len(blocks()[0].parts["text/plain"]) > 20_000 {
		t.Errorf("the storm is %d mails", n)
	}
	w.trouble("firewall-down|fw1", "firewall-down", "firewall-down: fw1 has not answered")
	want = append(want, w.block(30)...)
	w.until("the trouble's mail", func() bool { return len(m.all()) == 2 })
	if n := len(blocks()); n != 1 {
		t.Errorf("%d mails of blocks within the digest", n)
	}
	for i := range 5 { // six in the hour; then no more
		forward(10 * time.Minute)
		if i > 0 {
			want = append(want, w.block(1)...)
		}
		w.until("the digest", func() bool { wake(); return len(blocks()) == 2+i && state(n, "mail-blocks").Waiting == 0 })
	}
	stop() // a restart forgets none of it
	n, _ = w.start()
	forward(9 * time.Minute)
	want = append(want, w.block(1)...)
	w.trouble("clock|", "clock", "clock: it is wrong")
	w.until("the trouble's mail", func() bool { wake(); return len(m.all()) == 8 })
	if n := len(blocks()); n != 6 {
		t.Errorf("%d mails of blocks in an hour", n)
	}
	forward(2 * time.Minute)
	w.until("the next hour's", func() bool { wake(); return len(blocks()) == 7 })
	if err := onceEach(addresses(), want); err != nil {
		t.Error(err)
	}
}

// What a mail server may do wrong is said, tried again, and stops no other receiver; in the end the mail is there.
func TestABadMailServerStopsNoOther(t *testing.T) {
	ca, other := newAuthority(t), newAuthority(t)
	talks := func(say string) func(net.Conn) {
		return func(c net.Conn) {
			for {
				if _, err := io.WriteString(c, say); err != nil {
					return
				}
				if say == "" {
					io.Copy(io.Discard, c) // until the other side gives up
					return
				}
			}
		}
	}
	for _, c := range []struct {
		name  string
		serve func(net.Conn)
		tell  string
	}{
		{"says nothing", talks(""), ""},
		{"is none", talks("HTTP/1.1 400 Bad Request\r\n"), "HTTP/1.1"},
		{"never ends its line", talks(strings.Repeat("220", 1000)), "more than 1048576 bytes"},
		{"without TLS", func(c net.Conn) {
			io.WriteString(c, "220 mail\r\n")
			buffer := make([]byte, 1000)
			for {
				if _, err := c.Read(buffer); err != nil {
					return
				}
				io.WriteString(c, "250 mail\r\n")
			}
		}, "STARTTLS"},
		{"another's certificate", nil, "certificate"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			h := newHook(t, nil)
			w.cfg.Webhooks = []config.Webhook{h.config()}
			if c.serve == nil {
				w.cfg.Mail = newMailServer(t, other, false).config(ca)
			} else {
				l := listen(t)
				go func() {
					for {
						conn, err := l.Accept()
						if err != nil {
							return
						}
						go func() { defer conn.Close(); c.serve(conn) }()
					}
				}()
				w.cfg.Mail = (&mailServer{address: l.Addr().String()}).config(ca)
			}
			n, stop := w.start()
			w.block(1)
			w.until("the other's notice", func() bool { return len(h.field("id")) == 1 })
			if c.name == "says nothing" { // which takes its ten seconds; a stop does not
				began := time.Now()
				w.until("the call", func() bool { return state(n, "mail-blocks").Waiting == 1 })
				if stop(); time.Since(began) > 9*time.Second {
					t.Errorf("a stop took %v", time.Since(began))
				}
				return
			}
			w.until("a failure", func() bool { return state(n, "mail-blocks").Failing })
			if s := state(n, "mail-blocks"); !strings.Contains(s.Error, c.tell) || s.Waiting != 1 || len(s.Error) > 600 {
				t.Errorf("its state is %+v", s)
			}
		})
	}
}

// Of several addresses one that is refused, for good or for now, keeps no mail from the others nor delays one, and gets everything when it is taken.
func TestARefusedAddressKeepsNoMailFromOthers(t *testing.T) {
	for _, code := range []int{550, 450} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			t.Parallel()
			w, ca := newWorld(t), newAuthority(t)
			m := newMailServer(t, ca, false)
			m.refuse = func(to string) error {
				if to != "gone@example.com" {
					return nil
				}
				return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 1, 1}, Message: "who?"}
			}
			w.cfg.Mail = m.config(ca)
			w.cfg.Mail.To, w.cfg.Mail.Digest, w.cfg.Mail.MaxPerHour = []string{"gone@example.com", "soc@example.com", "soc@example.com"}, time.Second, 1000
			n, _ := w.start()
			got := func(to string) (list []string) {
				for _, one := range m.all() {
					if slices.Equal(one.to, []string{to}) {
						list = append(list, one.addresses(t)...)
					}
				}
				return list
			}
			var want []string
			ahead := time.Duration(0)
			pass := func() {
				ahead += time.Second
				w.setClock(ahead)
				for _, r := range n.receivers {
					r.wake.Wake()
				}
			}
			for range 4 {
				want = append(want, w.block(2)...)
				w.until("the other's mail", func() bool { pass(); return len(got("soc@example.com")) == len(want) })
				w.until("a failure", func() bool { pass(); return state(n, "mail-blocks-gone@example.com").Failing })
			}
			if s := state(n, "mail-blocks-soc@example.com"); s.Failures > 0 {
				t.Errorf("the other's state is %+v", s)
			}
			w.until("the number", func() bool { pass(); return state(n, "mail-blocks-gone@example.com").Waiting == 8 })
			m.mu.Lock()
			m.refuse = nil
			m.mu.Unlock()
			ahead += time.Hour
			w.until("its own mail", func() bool { pass(); return len(got("gone@example.com")) == len(want) })
			for _, to := range w.cfg.Mail.To {
				if err := onceEach(got(to), want); err != nil {
					t.Errorf("%s: %v", to, err)
				}
			}
		})
	}
}

// says tells whether any part of a mail holds a text.
func (r *received) says(text string) bool {
	for _, part := range r.parts {
		if strings.Contains(part, text) {
			return true
		}
	}
	return strings.Contains(r.subject, text)
}

// One notice whose text a filter refuses is delivered without it, and those beside it with theirs; one that it refuses in any form is given up, and told; all others
// arrive. A server that refuses everything loses nothing by that, and its mails are no smaller when it takes them again.
func TestANoticeThatAFilterRefusesSilencesNoOther(t *testing.T) {
	for _, c := range []struct {
		name           string
		filter         func(one received, poisoned string) bool
		mails, givenUp int // 0: any number of mails
		complete       int // of the 20 log lines, at least
	}{
		{"its text", func(one received, _ string) bool { return !one.says("EICAR") }, 1, 0, 17},
		{"all of it", func(one received, poisoned string) bool { return !one.says(poisoned+" ") && !one.says(poisoned+",") }, 0, 1, 0},
		{"everything", func(received, string) bool { return false }, 1, 0, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w, ca := newWorld(t), newAuthority(t)
			m := newMailServer(t, ca, false)
			w.cfg.Mail = m.config(ca)
			w.cfg.Mail.Digest, w.cfg.Mail.MaxPerHour = time.Second, 1000
			n, _ := w.start()
			want := make([]string, 0, 20)
			poisoned := "203.0.0.8"
			m.filter = func(one received) bool { return c.filter(one, poisoned) }
			want = append(want, w.block(20, func(b *store.Block) {
				if b.Address.Addr().String() == poisoned {
					b.Evidence[0].Line = "SrcUser=EICAR"
				}
			})...)
			ahead := time.Duration(0)
			pass := func() {
				ahead += 5 * time.Minute
				w.setClock(ahead)
				for _, r := range n.receivers {
					r.wake.Wake()
				}
			}
			if c.name == "everything" {
				w.until("many refusals", func() bool { pass(); m.mu.Lock(); defer m.mu.Unlock(); return m.refused > 15 })
				m.mu.Lock()
				m.filter = nil
				m.mu.Unlock()
			}
			var got []string
			w.until("that nothing waits", func() bool {
				pass()
				got = nil
				for _, one := range m.all() {
					got = append(got, one.addresses(t)...)
				}
				return len(got) >= len(want)-c.givenUp && state(n, "mail-blocks").Waiting == 0
			})
			if c.givenUp > 0 {
				want = slices.DeleteFunc(want, func(a string) bool { return a == poisoned })
			}
			lines, mails := 0, 0
			for _, one := range m.all() {
				if !one.says("a notice is refused here") { // as it was found out
					mails++
				}
				lines += strings.Count(one.parts["text/plain"], "| SrcIP=") + strings.Count(one.parts["text/plain"], "| SrcUser=")
			}
			s := state(n, "mail-blocks")
			if err := onceEach(got, want); err != nil || c.mails > 0 && mails > c.mails || int(s.GivenUp) != c.givenUp || s.Failing || lines < c.complete {
				t.Errorf("%d mails, %d log lines, %+v: %v", len(m.all()), lines, s, err)
			}
			if log := w.log.String(); c.givenUp > 0 != strings.Contains(log, `"address":"`+poisoned+`","error":"`) || c.givenUp > 0 != (s.GivenUpAt != nil) ||
				(c.name == "its text") != strings.Contains(log, `"address":"`+poisoned+`","message":"a notice was delivered without`) || strings.Contains(log, "EICAR") {
				t.Errorf("the log is %s", log)
			}
		})
	}
}

// A server that takes no large mails gets smaller ones, and large ones again when it takes them.
func TestAMailThatIsTooLargeIsSentInParts(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	m := newMailServer(t, ca, false)
	m.most = 25_000
	w.cfg.Mail = m.config(ca)
	n, _ := w.start()
	want := w.block(120)
	var got []string
	parts := 0
	ahead := time.Duration(0)
	w.until("all of them", func() bool {
		ahead += time.Minute
		w.setClock(ahead)
		for _, r := range n.receivers {
			r.wake.Wake()
		}
		got = append(got, m.more(t, &parts)...)
		return len(got) >= len(want)
	})
	if err := onceEach(got, want); err != nil || parts < 2 {
		t.Errorf("in %d mails: %v", parts, err)
	}
	m.mu.Lock()
	m.most = 0 // it was a quota
	m.mu.Unlock()
	want, got = w.block(600), nil
	next := parts
	w.until("all of the next", func() bool {
		ahead += time.Minute
		w.setClock(ahead)
		for _, r := range n.receivers {
			r.wake.Wake()
		}
		got = append(got, m.more(t, &next)...)
		return len(got) >= len(want)
	})
	if err := onceEach(got, want); err != nil || next-parts > 3 {
		t.Errorf("in %d mails: %v", next-parts, err)
	}
}

// Mails follow one another by the digest, at most so many in an hour, whatever a clock does in between.
func TestPace(t *testing.T) {
	at := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	p := &pace{every: 10 * time.Minute, most: 3}
	var left []time.Duration
	for now := at; now.Before(at.Add(3 * time.Hour)); now = now.Add(time.Minute) {
		if p.wait(now) == 0 {
			left = append(left, now.Sub(at))
			p.sent(now)
		}
		again := &pace{every: p.every, most: p.most}
		again.restore(p.state())
		if again.wait(now) != p.wait(now) {
			t.Fatalf("at %v: after a restart it waits %v, not %v", now, again.wait(now), p.wait(now))
		}
	}
	want := []time.Duration{0, 10, 20, 60, 70, 80, 120, 130, 140}
	for i := range want {
		want[i] *= time.Minute
	}
	if !slices.Equal(left, want) {
		t.Errorf("they left at %v", left)
	}
	back := at.Add(-1000 * time.Hour) // the clock was ahead, and is set right
	if wait := p.wait(back); wait != time.Hour {
		t.Errorf("with a clock that was set back it waits %v", wait)
	}
	for _, c := range []struct{ ahead, wait time.Duration }{{time.Minute, 59 * time.Minute}, {time.Hour, 0}} {
		if wait := p.wait(back.Add(c.ahead)); wait != c.wait {
			t.Errorf("%v after it was set back it waits %v, not %v", c.ahead, wait, c.wait)
		}
	}
	p.restore("nonsense")
}

// What is on the allow-list cannot be blocked again before it is taken from it.
func TestUndoing(t *testing.T) {
	n := store.Notice{Event: store.EventReleased, Address: "203.0.113.70"}
	const again = `activedefense blacklist add 203.0.113.70 --reason "..."`
	if got := undo(&n); !slices.Equal(got, []string{again}) {
		t.Errorf("released by hand: %q", got)
	}
	n.Allowed = "vpn.example.com"
	if got := undo(&n); !slices.Equal(got, []string{"activedefense allow remove vpn.example.com && " + again}) {
		t.Errorf("released by the allow-list: %q", got)
	}
}

// Without a name of the configuration, a test is from the host's, as the subject and the text say.
func TestATestNamesTheHost(t *testing.T) {
	w, ca := newWorld(t), newAuthority(t)
	m := newMailServer(t, ca, false)
	w.cfg.Mail = m.config(ca)
	o := w.options()
	o.Name = ""
	_, err := Test(t.Context(), o, "")
	w.must(err)
	host, err := os.Hostname()
	w.must(err)
	if one := m.all()[0]; one.subject != "Active Defense on "+host+": this is a test from Active Defense on "+host || !strings.Contains(one.parts["text/plain"], "from Active Defense on "+host) {
		t.Errorf("it is %q, %v", one.subject, one.parts)
	}
}

// A test of mail is one mail to each address, by whichever of its receivers' names it is asked for.
func TestATestOfMailGoesToEachAddress(t *testing.T) {
	w, ca := newWorld(t), newAuthority(t)
	m := newMailServer(t, ca, false)
	w.cfg.Mail = m.config(ca)
	w.cfg.Mail.To = []string{"anna@example.com", "bob@example.com"}
	for _, c := range []struct{ name, want string }{{"", "anna@example.com bob@example.com"}, {"mail", "anna@example.com bob@example.com"}, {"mail-blocks-bob@example.com", "bob@example.com"}} {
		before := len(m.all())
		results, err := Test(t.Context(), w.options(), c.name)
		w.must(err)
		var to []string
		for _, one := range m.all()[before:] {
			to = append(to, one.to...)
		}
		if len(results) != len(to) || results[0].Error != "" || strings.Join(to, " ") != c.want {
			t.Errorf("%q: mails to %v, %+v", c.name, to, results)
		}
	}
	if _, err := Test(t.Context(), w.options(), "mai"); !errors.Is(err, ErrUnknownReceiver) {
		t.Errorf("of a part of a name: %v", err)
	}
}

// A subject says of how many sources what became, releases too.
func TestASubjectCountsWhatBecameOfSources(t *testing.T) {
	notices := []store.Notice{{ID: "1", Event: store.EventReleased, Stands: 1}, {ID: "2", Event: store.EventReleased, Stands: 1}}
	if got, want := newLetter("lab", notices).subject, "Active Defense on lab: 2 sources released"; got != want {
		t.Errorf("it is %q, want %q", got, want)
	}
	notices = append(notices, store.Notice{ID: "3", Event: store.EventBlock, Stands: 1}, store.Notice{ID: "4", Event: "lag", Stands: 1})
	if got, want := newLetter("lab", notices).subject, "Active Defense on lab: 1 source blocked, 2 sources released, 1 notice"; got != want {
		t.Errorf("it is %q, want %q", got, want)
	}
}

// A server that says nothing for as long as it may is told as that, and not by what became of the connection, as is one that stops answering.
func TestAMailServerThatDoesNotAnswerIsToldAsThat(t *testing.T) {
	t.Parallel()
	w, ca := newWorld(t), newAuthority(t)
	for _, greeting := range []string{"", "220 mail\r\n"} {
		l := listen(t)
		go func() {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			io.WriteString(conn, greeting)
			io.Copy(io.Discard, conn)
		}()
		w.cfg.Mail = (&mailServer{address: l.Addr().String()}).config(ca)
		m, err := newMailer(w.options(), "soc@example.com")
		w.must(err)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if done, err := m.send(ctx, []store.Notice{{ID: "1", Event: store.EventBlock, Time: time.Now()}}); done != 0 || err == nil || said(err) != "no answer within 10s" {
			t.Errorf("after %q: %d, %v", greeting, done, err)
		}
	}
	if got := said(errors.Join(errors.New("550 no\r\n550 never"), errors.New("and closed"))); got != "550 no; 550 never; and closed" {
		t.Errorf("several lines are told as %q", got)
	}
}
