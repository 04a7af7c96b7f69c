package notify

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"activedefense/config"
	"activedefense/store"
)

// world is a store and who is told of what changes in it.
type world struct {
	t    *testing.T
	path string
	st   *store.Store
	cfg  config.Notify
	seq  int
	base string // of AbuseIPDB's API
	log  logged

	gather time.Duration // how long a mail waits for what comes in the same moment

	mu  sync.Mutex
	now func() time.Time
}

// logged is what those who deliver log.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, path: filepath.Join(t.TempDir(), "store.db"), gather: gatherFor / 20, now: time.Now}
	w.st = w.open()
	return w
}

func (w *world) open() *store.Store {
	w.t.Helper()
	st, err := store.Open(context.Background(), store.Options{Path: w.path, Instance: "one"})
	w.must(err)
	w.t.Cleanup(func() { w.must(st.Close()) })
	return st
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// clock is the time of those who deliver.
func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now()
}

// setClock sets it that much ahead.
func (w *world) setClock(ahead time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = func() time.Time { return time.Now().Add(ahead) }
}

// stopClock has it stand at a time.
func (w *world) stopClock(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = func() time.Time { return at }
}

func (w *world) options() Options {
	return Options{Config: &w.cfg, Name: "sensor-1", Version: "test", Logger: zerolog.New(&w.log), Now: w.clock}
}

// start delivers until stop is called, or the test ends.
func (w *world) start() (n *Notifier, stop func()) {
	w.t.Helper()
	n, err := New(w.options())
	w.must(err)
	w.must(n.Attach(context.Background(), w.st))
	n.every = 10 * time.Millisecond
	for i, r := range n.receivers {
		if r.name == "abuseipdb" {
			one := newReporter(&w.cfg.AbuseIPDB, w.base, w.options()).receiver()
			one.notifier, one.wake, one.status = r.notifier, r.wake, r.status
			n.receivers[i] = one
		}
	}
	for _, r := range n.receivers {
		if r.pace != nil {
			r.pace.hold = w.gather
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			w.must(err)
		case <-time.After(9 * time.Second):
			w.t.Error("it does not stop")
		}
	})
	w.t.Cleanup(stop)
	return n, stop
}

// block has addresses blocked by the detector, in one batch, and gives them.
func (w *world) block(addresses int, change ...func(*store.Block)) (list []string) {
	w.t.Helper()
	at := time.Now()
	b := &store.Batch{}
	for range addresses {
		w.seq++
		a := netip.AddrFrom4([4]byte{203, 0, byte(w.seq >> 8), byte(w.seq)})
		one := store.Block{Address: netip.PrefixFrom(a, 32), Rule: "port-scan", Reason: "11 ports of 198.51.100.7 within 10m", By: store.ByDetector, Device: "LAB-FW-01", Country: "Netherlands",
			LastSeen: at, BlockedAt: at, Hits: 11, Grade: store.Proven, Evidence: []store.Evidence{{Time: at, Line: "SrcIP=" + a.String() + "; SrcUser=lab\\anna"}}}
		for _, c := range change {
			c(&one)
		}
		b.Blocks = append(b.Blocks, one)
		list = append(list, a.String())
	}
	_, err := w.st.Commit(context.Background(), b)
	w.must(err)
	return list
}

// raw is the database itself.
func (w *world) raw() *sql.DB {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.path+"?_pragma=busy_timeout(5000)")
	w.must(err)
	w.t.Cleanup(func() { db.Close() })
	return db
}

// trouble tells one.
func (w *world) trouble(key, event, text string) {
	w.t.Helper()
	w.must(w.st.TellTroubles(context.Background(), store.ToldTrouble{Key: key, Notice: store.Notice{Event: event, Time: time.Now(), Since: time.Now(), Subject: text}}))
}

// patience bounds every wait for something that must happen.
const patience = 90 * time.Second

// until waits for what is to come.
func (w *world) until(what string, is func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(patience); !is(); {
		if time.Now().After(deadline) {
			w.t.Fatalf("it does not come: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// state is that of one receiver.
func state(n *Notifier, name string) Status {
	for _, s := range n.Status() {
		if s.Receiver == name {
			return s
		}
	}
	return Status{}
}

// authority is a CA and a certificate for 127.0.0.1 that it signed.
type authority struct {
	pem    []byte
	server *tls.Config
}

func newAuthority(t *testing.T) authority {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	check(err)
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	leaf := &x509.Certificate{SerialNumber: big.NewInt(2), NotBefore: ca.NotBefore, NotAfter: ca.NotAfter, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, &leafKey.PublicKey, key)
	check(err)
	return authority{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{leafDER}, PrivateKey: leafKey}}}}
}

// listen opens a listener on loopback.
func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// times counts how often each text comes.
func times(texts []string) map[string]int {
	n := make(map[string]int)
	for _, text := range texts {
		n[text]++
	}
	return n
}

// onceEach tells what does not come once.
func onceEach(got, want []string) error {
	n := times(got)
	for _, text := range want {
		if n[text] != 1 {
			return fmt.Errorf("%s comes %d times", text, n[text])
		}
	}
	if len(n) != len(want) {
		return fmt.Errorf("%d come, not %d", len(n), len(want))
	}
	return nil
}

// prefix reads a network.
func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// tlsListener is one that speaks TLS from the beginning.
func tlsListener(l net.Listener, ca authority) net.Listener { return tls.NewListener(l, ca.server) }
