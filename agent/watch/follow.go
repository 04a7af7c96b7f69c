package watch

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"activedefense/agent"
	"activedefense/agent/api"
	"activedefense/agent/explain"
	"activedefense/agent/loop"
)

const (
	statusEvery = 2 * time.Second
	answerIn    = 5 * time.Second  // an answer takes at most
	quietFor    = 10 * time.Second // a daemon that tells nothing is away: it tells its rate each second
	askAgain    = time.Second      // one that does not answer
)

// Follow sends what happens at a daemon until ctx ends. One that does not answer is asked again and again.
func Follow(ctx context.Context, c *api.Client, send func(tea.Msg)) {
	for {
		err := followOnce(ctx, c, send, quietFor)
		if ctx.Err() != nil {
			return
		}
		send(Lost{err})
		if !loop.Pause(ctx, askAgain) {
			return
		}
	}
}

// followOnce sends what happens until the daemon does not answer, or tells nothing for so long.
func followOnce(ctx context.Context, c *api.Client, send func(tea.Msg), most time.Duration) error {
	ctx, stop := context.WithCancelCause(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer stop(nil)
	quiet := time.AfterFunc(most, func() { stop(fmt.Errorf("nothing was heard for %s", most)) })
	defer quiet.Stop()
	connected := false
	err := c.Events(ctx, func(name string, data []byte) error {
		quiet.Reset(most)
		if !connected {
			entries, err := newest(ctx, c)
			if err != nil {
				return err
			}
			connected = true
			send(Connected{entries})
			asking.Go(func() {
				if err := askStatus(ctx, c, send); err != nil {
					stop(err)
				}
			})
		}
		return tell(name, data, send)
	})
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// tell sends one event.
func tell(name string, data []byte, send func(tea.Msg)) error {
	if name == "rate" {
		var r api.Rate
		if err := json.Unmarshal(data, &r); err != nil {
			return fmt.Errorf("the daemon tells a rate that cannot be read: %w", err)
		}
		send(Rate(r.Lines))
		return nil
	}
	e := Event{Name: name}
	if err := json.Unmarshal(data, &e.Entry); err != nil {
		return fmt.Errorf("the daemon tells %s of what cannot be read: %w", name, err)
	}
	send(e)
	return nil
}

// newest are the newest entries of the blacklist, whatever their state.
func newest(ctx context.Context, c *api.Client) (entries []explain.BlacklistEntry, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerIn)
	defer cancel()
	query := url.Values{"state": {"all"}, "limit": {strconv.Itoa(mostRows)}}
	err = api.Each(ctx, c, "blacklist", query, "entries", &api.Listed{}, func(e *api.Entry) error {
		entries = append(entries, e.BlacklistEntry)
		return nil
	})
	return entries, err
}

// askStatus sends the state again and again.
func askStatus(ctx context.Context, c *api.Client, send func(tea.Msg)) error {
	for {
		var s agent.Status
		asking, cancel := context.WithTimeout(ctx, answerIn)
		err := c.Get(asking, "status", nil, &s)
		cancel()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		send(State{&s})
		if !loop.Pause(ctx, statusEvery) {
			return nil
		}
	}
}

// pass sends on what has come, all that has at once: in a flood of blocks the screen is not drawn for each.
func pass(happened <-chan tea.Msg, send func(tea.Msg)) {
	for first := range happened {
		all := Several{first}
		for n := len(happened); n > 0; n-- {
			all = append(all, <-happened)
		}
		send(all)
	}
}

// Run shows what happens at a daemon until somebody quits or ctx ends. in and out are a terminal, of which environ says what it can do.
func Run(ctx context.Context, c *api.Client, o Options, in, out *os.File, environ []string, noColour bool) error {
	options := []tea.ProgramOption{tea.WithInput(in), tea.WithOutput(out), tea.WithEnvironment(environ), tea.WithoutSignalHandler()}
	if noColour {
		options = append(options, tea.WithColorProfile(colorprofile.ASCII))
	}
	program := tea.NewProgram(New(o, 0, 0), options...)
	defer context.AfterFunc(ctx, program.Quit)() // a program whose context ends does not wait for what still reads the terminal
	following, stop := context.WithCancel(ctx)
	var others sync.WaitGroup
	happened := make(chan tea.Msg, mostRows)
	others.Go(func() {
		defer close(happened)
		Follow(following, c, func(m tea.Msg) { happened <- m })
	})
	others.Go(func() { pass(happened, program.Send) })
	others.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for now := time.Now(); ; {
			program.Send(Tick(now))
			select {
			case <-following.Done():
				return
			case now = <-tick.C:
			}
		}
	})
	_, err := program.Run()
	stop()
	others.Wait()
	return err
}
