package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"activedefense/config"
	"activedefense/store"
)

// client makes a client that trusts a CA, or the system's, and follows no redirect: who answers one is not whom we were told to tell.
func client(ca []byte) (*http.Client, error) {
	roots, err := rootsOf(ca)
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, TLSHandshakeTimeout: callLimit,
			ResponseHeaderTimeout: callLimit, MaxResponseHeaderBytes: 64 << 10, IdleConnTimeout: 90 * time.Second, MaxIdleConnsPerHost: 1, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// rootsOf gives the CAs of a file's content; nil: the system's.
func rootsOf(ca []byte) (*x509.CertPool, error) {
	if ca == nil {
		return nil, nil
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return nil, errors.New("ca_file has no usable certificate")
	}
	return roots, nil
}

// mostAnswer is how much of an answer is read.
const mostAnswer = 4 << 10

// do sends a request and gives the status and the beginning of the answer. Its errors do not name the URL, which may hold a secret.
func do(c *http.Client, req *http.Request) (*http.Response, []byte, error) {
	resp, err := c.Do(req)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		if errors.Is(err, context.DeadlineExceeded) {
			err = errNoAnswer
		}
		return nil, nil, err
	}
	defer resp.Body.Close() // with the rest of it, which nobody reads
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	if err != nil && resp.StatusCode/100 == 2 {
		err = nil // it was taken
	}
	return resp, body, err
}

// refusal is the error of an answer that is no success.
func refusal(resp *http.Response, body []byte) error {
	text := strings.TrimSpace(string(body))
	if resp.StatusCode/100 == 3 {
		text = "a redirect, which is not followed"
	}
	if text == "" {
		return fmt.Errorf("it answered %s", resp.Status)
	}
	return fmt.Errorf("it answered %s: %s", resp.Status, clip(text, 300))
}

// webhook posts each notice, signed as Standard Webhooks 1.0 say (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md).
type webhook struct {
	*config.Webhook
	client  *http.Client
	version string
	now     func() time.Time
}

func newWebhook(w *config.Webhook, version string) (*receiver, error) {
	c, err := client(w.CA)
	if err != nil {
		return nil, err
	}
	hook := &webhook{w, c, version, time.Now}
	list, troubles := split(w.Events, store.EventBlock, store.EventHeld, store.EventReleased) // a storm of blocks holds up no trouble
	var lanes []lane
	for _, events := range [][]string{troubles, list} {
		if len(events) > 0 {
			lanes = append(lanes, lane{events: events})
		}
	}
	sum := sha256.Sum256([]byte(w.URL.Reveal()))
	return &receiver{
		name: "webhook-" + w.Host, key: "webhook " + hex.EncodeToString(sum[:8]), lanes: lanes, load: 200, each: 1,
		send: func(ctx context.Context, notices []store.Notice) (int, error) {
			if err := hook.post(ctx, &notices[0]); err != nil {
				return 0, err
			}
			return 1, nil
		},
		test: func(ctx context.Context, n store.Notice) error { return hook.post(ctx, &n) },
	}, nil
}

// body is what a webhook gets.
type body struct {
	ID      string    `json:"id"`
	Time    time.Time `json:"time"`
	Event   string    `json:"event"`
	Subject string    `json:"subject"`
	Address string    `json:"address"`
	Rule    string    `json:"rule"`
	Reason  string    `json:"reason"`
	Device  string    `json:"device"`
	Hits    int64     `json:"hits"`
	Country string    `json:"country"`
	Lines   []string  `json:"lines"`
}

func (w *webhook) post(ctx context.Context, n *store.Notice) error {
	lines := n.Lines
	if lines == nil {
		lines = []string{} // in JSON, none is an empty list
	}
	content, err := json.Marshal(body{n.ID, n.Time.UTC(), n.Event, subject(n), n.Address, clip(n.Rule, 200), why(n), clip(n.Device, 200), n.Hits, clip(n.Country, 200), lines})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL.Reveal(), bytes.NewReader(content))
	if err != nil {
		return errors.New("the URL cannot be used") // the reason would name it
	}
	for _, h := range w.Headers {
		req.Header.Add(h.Name, h.Value.Reveal())
	}
	at := strconv.FormatInt(w.now().Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	if req.Header.Get("User-Agent") == "" {
		req.Header.Set("User-Agent", "activedefense/"+w.version)
	}
	req.Header.Set("webhook-id", n.ID)
	req.Header.Set("webhook-timestamp", at)
	if w.Secret != "" {
		req.Header.Set("webhook-signature", "v1,"+signature([]byte(w.Secret.Reveal()), n.ID, at, content))
	}
	resp, answer, err := do(w.client, req)
	if err != nil {
		return err
	}
	switch {
	case resp.StatusCode/100 == 2:
		return nil
	case slices.Contains(unwanted, resp.StatusCode) && resp.Header.Get("Retry-After") == "":
		return &contentError{error: refusal(resp, answer)}
	}
	return refusal(resp, answer)
}

// unwanted are the answers of those who may not like what a request says, filters before them included.
var unwanted = []int{http.StatusBadRequest, http.StatusForbidden, http.StatusNotAcceptable, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType,
	http.StatusUnprocessableEntity, http.StatusRequestHeaderFieldsTooLarge, http.StatusUnavailableForLegalReasons}

// signature is the base64 of HMAC-SHA256 over id.timestamp.body.
func signature(secret []byte, id, timestamp string, content []byte) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(content)
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
