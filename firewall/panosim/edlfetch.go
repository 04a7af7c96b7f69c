package panosim

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
)

const (
	defaultFetchTimeout = 30 * time.Second
	maxListFile         = 64 << 20 // bytes
	maxRedirects        = 3
)

// listPlan is all that is needed to fetch a list, without the lock.
type listPlan struct {
	id             listID
	url            string
	roots          *x509.CertPool // nil: no certificate profile
	user, password string
	exceptions     []string
	copy           *listFile // that is there already, and can be asked about; nil: none
	dialect        dialect.Dialect
}

// planLocked reads a list's definition.
func (s *Sim) planLocked(d listDefinition) listPlan {
	kind := d.kind()
	auth := kind.Child("auth")
	plan := listPlan{
		id: d.id, url: strings.TrimSpace(kind.Value("url")), roots: d.scope.profileRoots(kind.Value("certificate-profile"), s.opts.Now()),
		user: auth.Value("username"), password: auth.Value("password"),
		exceptions: kind.Child("exception-list").Members(), dialect: s.dialect,
	}
	// With exceptions, those of now and those with which the copy was made may differ.
	if l := s.plane.lists[d.id]; l != nil && l.url == plan.url && !l.stopped && len(plan.exceptions) == 0 && l.file != nil && l.file.excluded == 0 {
		plan.copy = l.file
	}
	return plan
}

// fetchAll fetches one list after the other.
func (s *Sim) fetchAll(ctx context.Context, plans []listPlan) jobResult {
	// One at a time: of two fetches of a list, the one that began later decides.
	s.plane.fetching.Lock()
	defer s.plane.fetching.Unlock()
	result := jobResult{ok: true}
	for _, plan := range plans {
		file, err := s.fetch(ctx, plan)
		if ctx.Err() != nil {
			return jobResult{details: []string{"the firewall is shutting down"}}
		}
		s.mu.Lock()
		s.takeListLocked(plan, file, err)
		s.mu.Unlock()
		if err != nil {
			result.ok = result.ok && plan.dialect.ListJob == dialect.ListJobOK
			result.details = append(result.details, "EDL("+plan.id.String()+") "+err.Error())
		}
	}
	return result
}

// errListAuthentication marks a failure after which the firewall stops to enforce the list.
var errListAuthentication = errors.New("authentication failed")

// fetch gets a list from its server.
func (s *Sim) fetch(ctx context.Context, plan listPlan) (*listFile, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.FetchTimeout)
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
	client := s.listClient(plan)
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
	file := parseList(body, plan.dialect.ListLine)
	if len(file.entries) == 0 && file.wrong == 0 && plan.dialect.EmptyList == dialect.EmptyListKept {
		return nil, errors.New("the list is empty")
	}
	file.exclude(plan.exceptions)
	file.tag, file.modified = response.Header.Get("ETag"), response.Header.Get("Last-Modified")
	return file, nil
}

// ask adds to a request what the dialect asks about the copy.
func (p *listPlan) ask(request *http.Request) {
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

// listClient verifies the server as the plan has it, by the firewall's clock.
func (s *Sim) listClient(plan listPlan) *http.Client {
	client := &http.Client{Transport: &http.Transport{
		DialContext:        (&net.Dialer{}).DialContext,
		DisableKeepAlives:  true,
		DisableCompression: true, // which libcurl does not ask for by itself
		TLSClientConfig: &tls.Config{
			RootCAs: plan.roots, InsecureSkipVerify: plan.roots == nil, Time: s.opts.Now, MinVersion: tls.VersionTLS12,
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

// takeListLocked takes in what came of a fetch, unless the list was changed or removed meanwhile.
func (s *Sim) takeListLocked(plan listPlan, file *listFile, err error) {
	if !s.stillDefinedLocked(plan) {
		return
	}
	l := s.plane.lists[plan.id]
	if l == nil || l.url != plan.url {
		l = &list{url: plan.url}
		s.plane.lists[plan.id] = l
	}
	l.tried = s.opts.Now()
	switch {
	case err == nil:
		l.file, l.stopped, l.failure, l.fetched = file, false, "", l.tried
	case errors.Is(err, errListAuthentication):
		l.stopped, l.failure = true, err.Error()
		// The words are from memory.
		s.logLocked("high", "general", "EDL server certificate authentication failed. The associated external dynamic list has "+
			"been removed, which might impact your policy. EDL Name: "+plan.id.name+", Reason: "+err.Error())
	default:
		l.failure = err.Error()
		s.logLocked("medium", "general", "EDL("+plan.id.String()+
			") Unable to fetch external list. Using old copy for refresh. "+err.Error())
	}
	s.enforceListsLocked()
}

func (s *Sim) stillDefinedLocked(plan listPlan) bool {
	for _, d := range s.definitionsLocked() {
		if d.id == plan.id && d.Child("type").Child("ip") != nil {
			return s.planLocked(d).url == plan.url
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
