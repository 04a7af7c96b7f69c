package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/display"
	"activedefense/agent/screen"
	"activedefense/config"
)

const (
	statusTimeout = 5 * time.Second
	statusMost    = 16 << 20 // bytes of an answer
	watchEvery    = 2 * time.Second
)

// statusCommand is `status`: it asks a running daemon, and writes its answer for people.
type statusCommand struct {
	*app
	all, watch bool
	tick       func() <-chan time.Time // when --watch asks again
}

func newStatusCommand(a *app) *cobra.Command {
	c := &statusCommand{app: a, tick: func() <-chan time.Time { return time.After(watchEvery) }}
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Show what a running daemon does: troubles first, files, lag, rates, each firewall's state",
		Long: `Shows what a running daemon does: first what a person should see to, then sums, then files, firewalls and policies.
Of a firewall, HOLDS is how many addresses or list entries of ours it holds, OF how many it is to hold, and SEEN when it was last read and
held them. A source is near a threshold with half or more of what a rule needs; "blacklist show" says of an address how near it is.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.status(cmd.Context()) },
	}
	cmd.Flags().BoolVar(&c.all, "all", false, "show every row, not only the worst and the newest that fit a screen")
	cmd.Flags().BoolVar(&c.watch, "watch", false, "ask every two seconds until interrupted")
	return cmd
}

func (c *statusCommand) status(ctx context.Context) error {
	daemon, err := c.running(ctx)
	if err != nil {
		return err
	}
	if daemon != nil {
		again := func(ctx context.Context) (*agent.Status, error) {
			ctx, cancel := context.WithTimeout(ctx, statusTimeout)
			defer cancel()
			var s agent.Status
			return &s, daemon.Get(ctx, "status", nil, &s)
		}
		return c.show(ctx, daemon.At, daemon.status, again)
	}
	if err := whyBarred(c.app, config.Options{WithoutFiles: true}); err != nil {
		return c.statusWithout(ctx, err)
	}
	cfg, err := c.loadPart(config.PartAdmin)
	if err != nil {
		return c.statusWithout(ctx, err)
	}
	if cfg.Admin.TokensFile != "" || cfg.Admin.TLS {
		return errNoDaemon // admin.listen takes a token, or HTTPS
	}
	base := adminURL(cfg.Admin.Listen)
	s, err := fetchStatus(ctx, base, statusTimeout)
	if err != nil {
		return err
	}
	return c.show(ctx, base, s, asking(base))
}

// asking asks the daemon at admin.listen again.
func asking(base string) func(context.Context) (*agent.Status, error) {
	return func(ctx context.Context) (*agent.Status, error) { return fetchStatus(ctx, base, statusTimeout) }
}

// statusWithout asks the daemon where it is by default, when the configuration does not say where that is. It is the one meant if it
// began with the same file; else the fault stands.
func (c *statusCommand) statusWithout(ctx context.Context, fault error) error {
	cfg, _, err := config.Load(config.Options{Environ: c.environ, WithoutFiles: true})
	if err != nil || c.path() == "" {
		return fault
	}
	base := adminURL(cfg.Admin.Listen)
	s, err := fetchStatus(ctx, base, sameStoreTimeout)
	if err != nil || !sameFile(s.Configuration.Path, absolute(c.path())) {
		return fault
	}
	fmt.Fprintf(c.stderr, "warning: %v; the daemon at %s began with that file and goes on with what it was then\n", fault, base)
	return c.show(ctx, base, s, asking(base))
}

// show writes what a daemon answered; again asks it once more.
func (c *statusCommand) show(ctx context.Context, base string, s *agent.Status, again func(context.Context) (*agent.Status, error)) error {
	c.sayOther(base, s.Configuration.Path)
	if c.watch {
		return c.keepWatching(ctx, s, again)
	}
	if err := c.write(s); err != nil {
		return err
	}
	if !s.Ready {
		return &statusError{code: exitFailed}
	}
	return nil
}

// sayOther says that the daemon that answers runs with another configuration than this command, if it does.
func (c *statusCommand) sayOther(base, theirs string) {
	ours := absolute(c.path())
	if sameFile(theirs, ours) {
		return
	}
	const defaults = "the built-in defaults"
	fmt.Fprintf(c.stderr, "the daemon at %s runs with %s, not with %s: this is the state of its store, inputs and firewalls\n",
		base, cmp.Or(display.Harmless(theirs), defaults), cmp.Or(ours, defaults))
}

// sameFile tells whether two paths are of one file, perhaps by a link.
func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	other, err2 := os.Stat(b)
	return a == b || err == nil && err2 == nil && os.SameFile(one, other)
}

// absolute is the whole path of a file; "" stays.
func absolute(path string) string {
	if whole, err := filepath.Abs(path); err == nil && path != "" {
		return whole
	}
	return path
}

// keepWatching shows the state again and again until ctx ends. A daemon that does not answer meanwhile may be restarting.
func (c *statusCommand) keepWatching(ctx context.Context, s *agent.Status, again func(context.Context) (*agent.Status, error)) (err error) {
	for {
		if isTerminal(c.stdout) {
			fmt.Fprint(unguarded(c.stdout), "\x1b[H\x1b[2J") // to the upper left, all cleared
		}
		if err == nil {
			err = c.write(s)
		} else {
			_, err = fmt.Fprintln(c.stderr, err)
		}
		if err != nil {
			return err // nobody reads it any more
		}
		select {
		case <-ctx.Done():
			return nil
		case <-c.tick():
		}
		if s, err = again(ctx); ctx.Err() != nil {
			return nil
		}
	}
}

// write writes the state, for a screen if it is written to one.
func (c *statusCommand) write(s *agent.Status) error {
	if c.json {
		return c.printJSON(s)
	}
	for i := range s.Troubles {
		s.Troubles[i].Remedy = c.advice(s.Troubles[i].Remedy)
	}
	o := screen.Options{All: c.all}
	if width, height := sizeOf(c.stdout); height > 0 {
		o.Width, o.Height = width, height-1 // a prompt follows
	}
	return screen.Write(c.stdout, s, o)
}

// adminURL is where this host reaches an address to listen on.
func adminURL(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return "http://" + listen // the configuration was validated
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

func fetchStatus(ctx context.Context, base string, within time.Duration) (*agent.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/status", nil)
	if err != nil {
		return nil, err
	}
	// Without a Proxy there is none, whatever the environment says: the daemon is here or in the management network.
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("no daemon responds at %s (is it running? see systemctl status activedefense): %w", base, err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s responds with %s; is that the daemon's admin.listen?", base, response.Status)
	}
	var s agent.Status
	if err := json.NewDecoder(io.LimitReader(response.Body, statusMost)).Decode(&s); err != nil {
		return nil, fmt.Errorf("read the response of %s: %w", base, err)
	}
	return &s, nil
}
