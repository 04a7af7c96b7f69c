package panosim

import (
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

// host gives the ith example address.
func host(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
}

// uidMessage wraps a payload.
func uidMessage(payload string) string {
	return `<uid-message><version>1.0</version><type>update</type><payload>` + payload + `</payload></uid-message>`
}

// entryXML is an entry of one tag; a timeout "" is none.
func entryXML(ip, tag, timeout string) string {
	if timeout != "" {
		timeout = ` timeout="` + timeout + `"`
	}
	return `<entry ip="` + ip + `"><tag><member` + timeout + `>` + tag + `</member></tag></entry>`
}

// peer is a client without any knowledge of PAN-OS.
type peer struct {
	*testing.T
	sim  *Sim
	http *http.Client
}

func newPeer(t *testing.T, s *Sim) *peer {
	transport := s.Transport()
	t.Cleanup(transport.CloseIdleConnections)
	return &peer{t, s, &http.Client{Transport: transport, Timeout: 10 * time.Second}}
}

// reply is an answer as it came over the wire.
type reply struct {
	status int
	kind   string
	body   string
	file   string // Content-Disposition
}

// try posts a form.
func (p *peer) try(form url.Values) (reply, error) {
	response, err := p.http.PostForm(p.sim.URL()+"/api/", form)
	if err != nil {
		return reply{}, err
	}
	return read(response)
}

func read(response *http.Response) (reply, error) {
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return reply{response.StatusCode, response.Header.Get("Content-Type"), string(body), response.Header.Get("Content-Disposition")}, err
}

// post posts a form and expects an answer.
func (p *peer) post(form url.Values) reply {
	p.Helper()
	r, err := p.try(form)
	if err != nil {
		p.Fatal(err)
	}
	return r
}

// uid sends a payload of a uid-message.
func (p *peer) uid(payload string) string {
	p.Helper()
	return p.post(url.Values{"type": {"user-id"}, "key": {p.sim.Key()}, "cmd": {uidMessage(payload)}}).body
}

// op sends an operational command.
func (p *peer) op(cmd string) string {
	p.Helper()
	return p.post(url.Values{"type": {"op"}, "key": {p.sim.Key()}, "cmd": {cmd}}).body
}

// registered reads one page with these filters.
func (p *peer) registered(filters string) string {
	p.Helper()
	return p.op("<show><object><registered-ip>" + filters + "</registered-ip></object></show>")
}

// standing sums up what is registered: "192.0.2.1:a,b 192.0.2.2:a".
func standing(s *Sim, addresses ...string) string {
	var out []string
	all := s.Addresses().Registered("")
	for _, text := range addresses {
		if tags, ok := all[prefix(text)]; ok {
			out = append(out, text+":"+strings.Join(tags, ","))
		}
	}
	if len(out) != len(all) {
		out = append(out, fmt.Sprint("and others: ", all))
	}
	return strings.Join(out, " ")
}

// prefix reads an address or a network.
func prefix(text string) netip.Prefix {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen())
	}
	return netip.MustParsePrefix(text)
}

// expect compares texts.
func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %s\nwant %s", what, got, want)
	}
}
