package listen

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// TLS names the files of a listener's certificate and, if only senders with a certificate may send, of the authorities that issue those.
type TLS struct{ CertFile, KeyFile, ClientCAFile string }

// certificates are those of the files, read again when one of them has changed. What cannot be used then leaves those that are there.
type certificates struct {
	files TLS
	log   zerolog.Logger

	mu     sync.Mutex
	stamps [3]time.Time
	config *tls.Config
}

func newCertificates(files TLS, log zerolog.Logger) (*certificates, error) {
	c := &certificates{files: files, log: log}
	c.stamps = c.look()
	var err error
	c.config, err = c.load()
	return c, err
}

// look gives when the files were written.
func (c *certificates) look() (stamps [3]time.Time) {
	for i, name := range [...]string{c.files.CertFile, c.files.KeyFile, c.files.ClientCAFile} {
		if info, err := os.Stat(name); name != "" && err == nil {
			stamps[i] = info.ModTime()
		}
	}
	return stamps
}

func (c *certificates) load() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(c.files.CertFile, c.files.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("tls.cert_file and tls.key_file: %w", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if c.files.ClientCAFile == "" {
		return config, nil
	}
	text, err := os.ReadFile(c.files.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("tls.client_ca_file: %w", err)
	}
	config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
	if !config.ClientCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("tls.client_ca_file: %s holds no certificate", c.files.ClientCAFile)
	}
	return config, nil
}

// present gives what a handshake uses.
func (c *certificates) present(*tls.ClientHelloInfo) (*tls.Config, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.look(); now != c.stamps {
		c.stamps = now
		if fresh, err := c.load(); err != nil {
			c.log.Warn().Err(err).Msg("the listener's changed certificate cannot be used; going on with the one before")
		} else {
			c.config = fresh
		}
	}
	return c.config, nil
}

// still tells whether a connection that was made under another configuration could be made under the present one.
func (c *certificates) still(conn net.Conn) error {
	config, _ := c.present(nil)
	secure, ok := conn.(*tls.Conn)
	if config.ClientCAs == nil || !ok {
		return nil
	}
	shown := secure.ConnectionState().PeerCertificates
	if len(shown) == 0 {
		return errors.New("it has shown no certificate")
	}
	o := x509.VerifyOptions{Roots: config.ClientCAs, Intermediates: x509.NewCertPool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	for _, cert := range shown[1:] {
		o.Intermediates.AddCert(cert)
	}
	_, err := shown[0].Verify(o)
	return err
}
