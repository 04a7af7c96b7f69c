package notify

import (
	"bufio"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"activedefense/config"
	"activedefense/store"
)

// collector takes syslog messages.
type collector struct {
	mu  sync.Mutex
	got []string
}

func (c *collector) add(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.got = append(c.got, s)
}

func (c *collector) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.got)
}

// stream takes messages behind their lengths (RFC 6587), at most so many from each connection; 0: all.
func (c *collector) stream(l net.Listener, most int) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			r := bufio.NewReader(conn)
			for n := 0; most == 0 || n < most; n++ {
				length, err := r.ReadString(' ')
				if err != nil {
					return
				}
				size, err := strconv.Atoi(strings.TrimSpace(length))
				if err != nil {
					c.add("a length is " + length)
					return
				}
				text := make([]byte, size)
				if _, err := io.ReadFull(r, text); err != nil {
					return
				}
				c.add(string(text))
			}
		}()
	}
}

// form is RFC 5424's, with one element of structured data.
var form = regexp.MustCompile(`^<(3[5-7])>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z [!-~]+ activedefense \d+ [a-z-]+ \[activedefense@32473( [a-z]+="(?:[^"\\\]]|\\["\\\]])*")*\] .+$`)

// A message that would be too long is cut in its values, and stays one of RFC 5424's.
func TestALongSyslogMessageIsCutInItsValues(t *testing.T) {
	for _, text := range []string{strings.Repeat("a", 3000), strings.Repeat(`]"\`, 3000), strings.Repeat("é", 3000), strings.Repeat("\x00", 3000)} {
		n := store.Notice{ID: "A", Event: store.EventReleased, Address: "203.0.113.1", Rule: text, Grade: text, By: text, Device: text, Country: text, Reason: text, Hits: 7}
		m := message(strings.Repeat("h", 255), &n)
		if !form.MatchString(m) || !utf8.ValidString(m) || len(m) > mostMessage || len(m) < mostMessage-100 || !strings.Contains(m, ` address="203.0.113.1" rule="`) {
			t.Errorf("%d bytes: %q", len(m), m)
		}
	}
}

func TestSyslog(t *testing.T) {
	for _, network := range []string{"udp", "tcp", "tls"} {
		t.Run(network, func(t *testing.T) {
			w, ca := newWorld(t), newAuthority(t)
			c, blocks := &collector{}, 250
			y := config.Syslog{Network: network, CA: ca.pem}
			if network == "udp" {
				conn, err := net.ListenPacket("udp", "127.0.0.1:0")
				w.must(err)
				t.Cleanup(func() { conn.Close() })
				y.Address, blocks = conn.LocalAddr().String(), 100 // a socket holds about 160 of them until they are read
				go func() {
					for buffer := make([]byte, 10_000); ; {
						n, _, err := conn.ReadFrom(buffer)
						if err != nil {
							return
						}
						c.add(string(buffer[:n]))
					}
				}()
			} else {
				l := listen(t)
				y.Address = l.Addr().String()
				if network == "tls" {
					l = tlsListener(l, ca)
				}
				go c.stream(l, 0)
			}
			w.cfg.Syslog = y
			w.start()
			want := w.block(blocks)
			odd := w.block(1, func(b *store.Block) {
				b.State, b.Hold, b.Reason = store.Held, `it "is" a \partner] [x="y`, "logins of anna\n<34>1 forged"
				b.Device = strings.Repeat("é", 3000)
			})[0]
			w.trouble("clock|", "clock", "clock: it is wrong")
			w.until("all", func() bool { return len(c.all()) == len(want)+2 })
			var got []string
			for _, m := range c.all() {
				if !form.MatchString(m) || len(m) > mostMessage {
					t.Fatalf("it is no message: %q", m)
				}
				_, rest, _ := strings.Cut(m, ` address="`)
				address, _, _ := strings.Cut(rest, `"`)
				switch {
				case address == odd && !(strings.HasPrefix(m, "<36>1 ") && strings.Contains(m, ` reason="logins of anna\\u000a<34>1 forged; it \"is\" a \\partner\] [x=\"y"`)):
					t.Errorf("what is odd: %q", m)
				case strings.Contains(m, " clock ") && !strings.HasPrefix(m, "<35>1 "):
					t.Errorf("a trouble: %q", m)
				case address != "" && address != odd:
					got = append(got, address)
				}
			}
			if !slices.Equal(got, want) {
				t.Error("they are not all in order")
			}
		})
	}
}

// A receiver that closes its connection gets what follows on another one, and one whose certificate is another's gets nothing.
func TestSyslogOverAConnectionThatEnds(t *testing.T) {
	w := newWorld(t)
	c := &collector{}
	l := listen(t)
	go c.stream(l, 3)
	w.cfg.Syslog = config.Syslog{Network: "tcp", Address: l.Addr().String()}
	w.start()
	want := w.block(3)
	w.until("the first", func() bool { return len(c.all()) == 3 })
	want = append(want, w.block(1)...) // one alone: it would be written, and lost
	w.until("all", func() bool { return len(c.all()) == 4 })
	for i, m := range c.all() {
		if !strings.Contains(m, ` address="`+want[i]+`"`) {
			t.Errorf("%d is %q", i, m)
		}
	}

	other := newWorld(t)
	untrusted := listen(t)
	go c.stream(tlsListener(untrusted, newAuthority(t)), 0)
	other.cfg.Syslog = config.Syslog{Network: "tls", Address: untrusted.Addr().String(), CA: newAuthority(t).pem}
	n, _ := other.start()
	other.block(1)
	other.until("a failure", func() bool { return strings.Contains(state(n, "syslog").Error, "certificate") })
}
