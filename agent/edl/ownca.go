package edl

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"activedefense/agent/durable"
)

// authority is the own CA. Its files are made once and never again while they are there: the firewalls imported it.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

const (
	authorityLife = 10 * 365 * 24 * time.Hour
	// A firewall's clock may be behind ours; a certificate made just now is valid there too.
	backdate = 24 * time.Hour
)

// openAuthority reads the CA, or makes it if neither of its files exists. The key is written first and the certificate
// follows from it, so a crash in between leaves a key that the next start makes the same certificate for.
func openAuthority(folder string, now time.Time, log zerolog.Logger) (*authority, error) {
	crtFile, keyFile := filepath.Join(folder, CAFile), filepath.Join(folder, "ca.key")
	crt, crtErr := durable.Read(crtFile)
	key, keyErr := durable.Read(keyFile)
	noCrt, noKey := errors.Is(crtErr, fs.ErrNotExist), errors.Is(keyErr, fs.ErrNotExist)
	switch {
	case crtErr != nil && !noCrt:
		return nil, fmt.Errorf("read the built-in CA (it is not created again, because the firewalls trust this one): %w", crtErr)
	case keyErr != nil && !noKey:
		return nil, fmt.Errorf("read the built-in CA's key (it is not created again, because the firewalls trust this one): %w", keyErr)
	case noKey && !noCrt:
		return nil, fmt.Errorf("%s is missing, but %s exists: restore it from a backup, or delete %[2]s too; then a new CA is created, which the firewalls must import",
			keyFile, crtFile)
	case noKey:
		var err error
		if key, err = makeKey(keyFile); err != nil {
			return nil, fmt.Errorf("create the built-in CA's key: %w", err)
		}
	}
	if noCrt {
		var err error
		if crt, err = makeAuthority(crtFile, key, now); err != nil {
			return nil, fmt.Errorf("create the built-in CA: %w", err)
		}
		log.Warn().Str("file", crtFile).Msg("a new CA for the list was created: import it on the firewalls, into the certificate profile of the External Dynamic List")
	}
	a, err := parseAuthority(crt, key)
	if err != nil {
		return nil, fmt.Errorf("the built-in CA in %s and %s cannot be used (restore the files from a backup, or delete both; then a new CA is created, which the firewalls must import): %w",
			crtFile, keyFile, err)
	}
	if info, err := os.Stat(keyFile); err == nil && info.Mode().Perm()&0o077 != 0 {
		log.Warn().Str("file", keyFile).Stringer("mode", info.Mode().Perm()).Msg("the CA's private key can be read by other users")
	}
	return a, nil
}

func makeKey(path string) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	b, err := keyPEM(key)
	if err != nil {
		return nil, err
	}
	return b, durable.Write(path, b, 0o600, (*os.File).Sync)
}

// makeAuthority names the CA after its key: two agents' CAs differ in name, and a certificate made again for the same key
// takes the place of the lost one, also on firewalls that imported that.
//
// There are no name constraints: the list may be fetched under any name and address of this machine, which change.
func makeAuthority(path string, key []byte, now time.Time) ([]byte, error) {
	block, _ := pem.Decode(key)
	if block == nil {
		return nil, errors.New("the key is not PEM")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	signer, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key cannot sign")
	}
	public, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(public)
	template := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"Active Defense"}, CommonName: fmt.Sprintf("Active Defense CA %X", sum[:4])},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, signer.Public(), signer)
	if err != nil {
		return nil, err
	}
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return b, durable.Write(path, b, 0o644, (*os.File).Sync)
}

func parseAuthority(crt, key []byte) (*authority, error) {
	pair, err := tls.X509KeyPair(crt, key)
	if err != nil {
		return nil, err
	}
	signer, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, errors.New("its key cannot sign")
	}
	if c := pair.Leaf; !c.IsCA || (c.KeyUsage != 0 && c.KeyUsage&x509.KeyUsageCertSign == 0) {
		return nil, errors.New("its certificate is not that of a CA")
	}
	return &authority{cert: pair.Leaf, key: signer}, nil
}

func keyPEM(key crypto.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
