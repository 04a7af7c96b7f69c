package edl

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"activedefense/firewall/panosim/dialect"
	"activedefense/firewall/panosim/jobs"
	"activedefense/firewall/panosim/traffic"
)

// DefaultFetchTimeout is how long a firewall waits for a list, by the wall clock.
const DefaultFetchTimeout = 30 * time.Second

const (
	maxListFile  = 64 << 20 // bytes
	maxRedirects = 3
)

// fetchPlan is all that is needed to fetch a list, without the lock.
type fetchPlan struct {
	id             traffic.ListID
	url            string
	roots          *x509.CertPool // nil: no certificate profile
	user, password string
	exceptions     []string
	copy           *file // that is there already, and can be asked about; nil: none
	dialect        dialect.Dialect
}

// plan reads a list's definition.
func (l *Lists) plan(d definition) fetchPlan {
	kind := d.kind()
	auth := kind.Child("auth")
	plan := fetchPlan{
		id: d.id, url: strings.TrimSpace(kind.Value("url")), roots: d.scope.ProfileRoots(kind.Value("certificate-profile"), l.o.Now()),
		user: auth.Value("username"), password: auth.Value("password"),
		exceptions: kind.Child("exception-list").Members(), dialect: *l.o.Dialect,
	}
	// With exceptions, those of now and those with which the copy was made may differ.
	if held := l.held[d.id]; held != nil && held.url == plan.url && !held.stopped && len(plan.exceptions) == 0 && held.file != nil && held.file.excluded == 0 {
		plan.copy = held.file
	}
	return plan
}

// fetchAll fetches one list after the other.
func (l *Lists) fetchAll(ctx context.Context, plans []fetchPlan) jobs.Result {
	// One at a time: of two fetches of a list, the one that began later decides.
	l.fetching.Lock()
	defer l.fetching.Unlock()
	result := jobs.Result{OK: true}
	for _, plan := range plans {
		file, err := l.fetch(ctx, plan)
		if ctx.Err() != nil {
			return jobs.Result{Details: []string{"the firewall is shutting down"}}
		}
		l.o.Lock.Lock()
		l.take(plan, file, err)
		l.o.Lock.Unlock()
		if err != nil {
			result.OK = result.OK && plan.dialect.ListJob == dialect.ListJobOK
			result.Details = append(result.Details, "EDL("+plan.id.String()+") "+err.Error())
		}
	}
	return result
}

// errListAuthentication marks a failure after which the firewall stops to enforce the list.
var errListAuthentication = errors.New("authentication failed")

// fetch gets a list from its server.
func (l *Lists) fetch(ctx context.Context, plan fetchPlan) (*file, error) {
	ctx, cancel := context.WithTimeout(ctx, l.o.FetchTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, plan.url, nil)
	if err != nil {
		return nil, fmt.Errorf("cURL error: URL using bad/illegal format: %w", inner(err))
	}
	if plan.user != "" {
		request.SetBasicAuth(plan.user, plan.password)
	}
	plan.ask(request)
	if request.URL.Scheme == "https" && plan.roots == nil && plan.dialect.NoProfile == dialect.NoProfileRefused {
		return nil, fmt.Errorf("%w: no certificate profile", errListAuthentication)
	}
	client := l.client(plan)
	defer client.CloseIdleConnections()
	response, err := client.Do(request)
	if err != nil {
		if unverified := (*tls.CertificateVerificationError)(nil); errors.As(err, &unverified) {
			return nil, fmt.Errorf("%w: cURL error: %w", errListAuthentication, unverified.Err)
		}
		return nil, fmt.Errorf("cURL error: %w", inner(err))
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusNotModified && plan.copy != nil {
		return plan.copy, nil
	}
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, fmt.Errorf("%w: HTTP %d", errListAuthentication, response.StatusCode)
	default:
		return nil, fmt.Errorf("cURL error: The requested URL returned error: %d", response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxListFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("cURL error: %w", inner(err))
	case len(body) > maxListFile:
		return nil, errors.New("cURL error: Maximum file size exceeded")
	}
	file := parse(body, plan.dialect.ListLine)
	if len(file.entries) == 0 && file.wrong == 0 && plan.dialect.EmptyList == dialect.EmptyListKept {
		return nil, errors.New("the list is empty")
	}
	file.exclude(plan.exceptions)
	file.tag, file.modified = response.Header.Get("ETag"), response.Header.Get("Last-Modified")
	return file, nil
}

// ask adds to a request what the dialect asks about the copy.
func (p *fetchPlan) ask(request *http.Request) {
	switch {
	case p.copy == nil:
	case p.dialect.ListFetch == dialect.ListFetchSince && p.copy.modified != "":
		request.Header.Set("If-Modified-Since", p.copy.modified)
	case p.dialect.ListFetch == dialect.ListFetchMatch && p.copy.tag != "":
		request.Header.Set("If-None-Match", p.copy.tag)
	}
}

// inner leaves out the URL, which may hold a password.
func inner(err error) error {
	if e := (*url.Error)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// client verifies the server as the plan has it, by the firewall's clock.
func (l *Lists) client(plan fetchPlan) *http.Client {
	client := &http.Client{Transport: &http.Transport{
		DialContext:        (&net.Dialer{}).DialContext,
		DisableKeepAlives:  true,
		DisableCompression: true, // which libcurl does not ask for by itself
		TLSClientConfig: &tls.Config{
			RootCAs: plan.roots, InsecureSkipVerify: plan.roots == nil, Time: l.o.Now, MinVersion: tls.VersionTLS12,
		},
	}}
	client.CheckRedirect = func(_ *http.Request, via []*http.Request) error {
		if plan.dialect.Redirect == dialect.RedirectFails || len(via) > maxRedirects {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return client
}

// take takes in what came of a fetch, unless the list was changed or removed meanwhile.
func (l *Lists) take(plan fetchPlan, file *file, err error) {
	if !l.stillDefined(plan) {
		return
	}
	held := l.held[plan.id]
	if held == nil || held.url != plan.url {
		held = &list{url: plan.url}
		l.held[plan.id] = held
	}
	held.tried = l.o.Now()
	switch {
	case err == nil:
		held.file, held.stopped, held.failure, held.fetched = file, false, "", held.tried
	case errors.Is(err, errListAuthentication):
		held.stopped, held.failure = true, err.Error()
		// The words are from memory.
		l.o.Log("high", "general", "EDL server certificate authentication failed. The associated external dynamic list has "+
			"been removed, which might impact your policy. EDL Name: "+plan.id.Name+", Reason: "+err.Error())
	default:
		held.failure = err.Error()
		l.o.Log("medium", "general", "EDL("+plan.id.String()+
			") Unable to fetch external list. Using old copy for refresh. "+err.Error())
	}
	l.enforce()
}

func (l *Lists) stillDefined(plan fetchPlan) bool {
	for _, d := range l.definitions() {
		if d.id == plan.id && d.Child("type").Child("ip") != nil {
			return l.plan(d).url == plan.url
		}
	}
	return false
}

// plural writes a number with the right word.
func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}
