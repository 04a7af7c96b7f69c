package listen

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"
)

// kit is a server on loopback, and what it spooled.
type kit struct {
	t       *testing.T
	o       Options
	server  *Server
	stop    func()
	mu      sync.Mutex
	ahead   time.Duration
	read    bool            // everything that is spooled was read and stored
	taken   map[string]bool // and these are the lines
	sockets *Sockets
}

func newKit(t *testing.T, inputs ...Input) *kit {
	t.Helper()
	k := &kit{t: t, taken: map[string]bool{}}
	for i := range inputs {
		in := &inputs[i]
		network, address, _ := strings.Cut(in.URL, "://")
		in.Network, in.Address = network, address
		if in.SpoolSize == 0 {
			in.SpoolSize = 100 << 20
		}
	}
	k.o = Options{Dir: t.TempDir(), Inputs: inputs, Logger: zerolog.Nop(), Now: k.now, Positions: k.positions}
	k.start()
	t.Cleanup(func() { k.end() })
	return k
}

func (k *kit) now() time.Time {
	k.mu.Lock()
	defer k.mu.Unlock()
	return time.Now().Add(k.ahead)
}

func (k *kit) must(err error) {
	k.t.Helper()
	if err != nil {
		k.t.Fatal(err)
	}
}

// start runs a server on the sockets of the one before, if there was one.
func (k *kit) start() {
	k.t.Helper()
	if k.sockets == nil {
		k.sockets = NewSockets(nil)
	}
	k.o.Sockets, k.o.Former = k.sockets, k.server
	var err error
	k.server, err = New(k.o)
	k.must(err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.server.Run(ctx) }()
	k.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			k.t.Error(err)
		}
		if err := k.server.Close(); err != nil {
			k.t.Error(err)
		}
	})
}

// end stops for good, as a process that ends.
func (k *kit) end() {
	k.stop()
	if err := k.sockets.Close(); err != nil {
		k.t.Error(err)
	}
	k.sockets, k.server = nil, nil
}

// positions says that all of every sealed file was read, if k.read is set.
func (k *kit) positions(context.Context) (all []Position, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.read {
		return nil, nil
	}
	files, _ := filepath.Glob(filepath.Join(k.o.Dir, "*", "*"))
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue
		}
		var stat unix.Stat_t
		if unix.Stat(f, &stat) != nil { // it was renamed or removed meanwhile
			continue
		}
		for line := range strings.SplitSeq(string(text), "\n") {
			k.taken[line] = true
		}
		stream := f[:strings.Index(f, suffix)+len(suffix)]
		n := min(len(text), 1024)
		sum := sha256.Sum256(text[:n])
		all = append(all, Position{Path: stream, Device: stat.Dev, Inode: stat.Ino, Fingerprint: sum[:], FingerprintLen: n, Offset: int64(len(text)), Done: true})
	}
	return all, nil
}

// address is what an input listens on.
func (k *kit) address(i int) string { return k.server.Status()[i].Address }

func (k *kit) dial(i int) net.Conn {
	k.t.Helper()
	conn, err := net.Dial(strings.Replace(k.o.Inputs[i].Network, "tls", "tcp", 1), k.address(i))
	k.must(err)
	k.t.Cleanup(func() { conn.Close() })
	return conn
}

// send sends over a connection of its own, and waits until the other side has closed it, so that all is spooled.
func (k *kit) send(i int, text string) {
	k.t.Helper()
	conn := k.dial(i)
	_, err := conn.Write([]byte(text))
	k.must(err)
	k.closed(conn)
}

func (k *kit) closed(conn net.Conn) {
	k.t.Helper()
	if c, ok := conn.(interface{ CloseWrite() error }); ok {
		k.must(c.CloseWrite())
	}
	k.must(conn.SetReadDeadline(time.Now().Add(20 * time.Second)))
	if n, err := conn.Read(make([]byte, 1)); n != 0 || os.IsTimeout(err) {
		k.t.Fatalf("the other side does not close: %v", err)
	}
}

// lines gives what was spooled of all senders of an input, without the signatures; in the order of its files.
func (k *kit) lines(i int) (all []string) {
	k.t.Helper()
	files, err := filepath.Glob(filepath.Join(k.o.Dir, folderOf(&k.o.Inputs[i]), "*"))
	k.must(err)
	sort.Slice(files, func(a, b int) bool { return order(files[a]) < order(files[b]) })
	for _, f := range files {
		text, err := os.ReadFile(f)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it was read
		}
		k.must(err)
		text = text[:bytes.LastIndexByte(text, '\n')+1] // the rest is being written
		if len(text) == 0 {
			continue
		}
		if len(text) < signatureLen || strings.Trim(string(text[:signatureLen]), " \t") != "\n" {
			k.t.Errorf("%s begins with %.80q", f, text)
			continue
		}
		if text = text[signatureLen:]; len(text) > 0 {
			all = append(all, strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")...)
		}
	}
	return all
}

// order puts the file that is written to behind those that were sealed.
func order(path string) string {
	if strings.HasSuffix(path, suffix) {
		return path + ".~"
	}
	return path
}

func (k *kit) expect(i int, want ...string) {
	k.t.Helper()
	k.eventually("the lines are spooled", func() bool { return len(k.lines(i)) >= len(want) })
	if got := k.lines(i); strings.Join(got, "|") != strings.Join(want, "|") {
		k.t.Errorf("spooled are %d lines %.300q, want %d %.300q", len(got), got, len(want), want)
	}
}

func (k *kit) eventually(what string, is func() bool) {
	k.t.Helper()
	late, tick := time.After(20*time.Second), time.NewTicker(2*time.Millisecond)
	defer tick.Stop()
	for !is() {
		select {
		case <-late:
			k.t.Fatalf("not in 20 s: %s; %+v", what, k.server.Status())
		case <-tick.C:
		}
	}
}

// authority issues certificates into files.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{t: t}
	var err error
	if a.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &a.key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.file = filepath.Join(t.TempDir(), "ca.pem")
	write(t, a.file, "CERTIFICATE", der)
	return a
}

func write(t *testing.T, name, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}

// issue makes a certificate for 127.0.0.1, in files.
func (a *authority) issue(name string) (certFile, keyFile string) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	private, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	dir := a.t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	write(a.t, certFile, "CERTIFICATE", der)
	write(a.t, keyFile, "EC PRIVATE KEY", private)
	return certFile, keyFile
}

// client gives what a sender with a certificate of this authority uses; of nil, one without.
func (a *authority) client(by *authority) *tls.Config {
	a.t.Helper()
	c := &tls.Config{RootCAs: x509.NewCertPool(), MinVersion: tls.VersionTLS12}
	c.RootCAs.AddCert(a.cert)
	if by != nil {
		pair, err := tls.LoadX509KeyPair(by.issue("sender"))
		if err != nil {
			a.t.Fatal(err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

func networks(texts ...string) (all []netip.Prefix) {
	for _, text := range texts {
		all = append(all, netip.MustParsePrefix(text))
	}
	return all
}
