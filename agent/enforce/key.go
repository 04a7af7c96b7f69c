package enforce

import (
	"context"
	"fmt"
	"net/url"
	"os"

	"activedefense/firewall/xmlapi"
)

// KeyOptions say whose API key is to be made, and where.
type KeyOptions struct {
	URL                string // https://host[:port]
	Username, Password string
	CAFile             string // PEM; "": the system's roots
	InsecureSkipVerify bool
}

// MakeKey has a firewall make an API key.
func MakeKey(ctx context.Context, opts KeyOptions) (string, error) {
	var ca []byte
	if opts.CAFile != "" {
		var err error
		if ca, err = os.ReadFile(opts.CAFile); err != nil {
			return "", fmt.Errorf("read the CA: %w", err)
		}
	}
	device, err := xmlapi.Open(xmlapi.Options{
		Name: redacted(opts.URL), URL: opts.URL, Username: opts.Username, Password: opts.Password, CA: ca, InsecureSkipVerify: opts.InsecureSkipVerify,
	})
	if err != nil {
		return "", err
	}
	defer device.Close()
	key, err := device.MakeKey(ctx)
	if xmlapi.Kind(err) == xmlapi.KindTLS {
		err = fmt.Errorf("%w; give the CA of the firewall's certificate (--ca)", err)
	}
	return key, err
}

// redacted is a URL that can be shown, should somebody have put a password into it.
func redacted(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "unknown"
	}
	return u.Redacted()
}
