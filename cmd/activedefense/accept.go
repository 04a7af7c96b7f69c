package main

import (
	"context"
	"fmt"
	"net/netip"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"activedefense/agent"
	"activedefense/agent/display"
	"activedefense/agent/explain"
	"activedefense/config"
	"activedefense/detect"
	"activedefense/store"
)

// blacklistAcceptCommand is `blacklist accept`.
type blacklistAcceptCommand struct {
	*app
	all bool
}

func newBlacklistAcceptCommand(a *app) *cobra.Command {
	b := &blacklistAcceptCommand{app: a}
	c := &cobra.Command{
		Use:   "accept ADDR... | --all",
		Short: "Block what is held",
		Long: `Blocks what is held: it is enforced within a second, and a source that was accepted is not held again for a year,
unless it is removed by hand. "blacklist show" says why it was held; "blacklist remove" dismisses it.`,
		RunE: func(c *cobra.Command, args []string) error {
			if b.all == (len(args) > 0) {
				return usageErrorf("name the addresses or networks to accept, or --all for everything that is held")
			}
			prefixes, err := parsePrefixes(args)
			if err != nil {
				return err
			}
			return b.withGuard(c.Context(), func(cfg *config.Config, st *store.Store) error { return b.accept(c.Context(), cfg, st, prefixes) })
		},
	}
	c.Flags().BoolVar(&b.all, "all", false, "everything that is held now")
	return c
}

func (b *blacklistAcceptCommand) accept(ctx context.Context, cfg *config.Config, st *store.Store, prefixes []netip.Prefix) error {
	known, err := agent.Known(ctx, cfg, st)
	if err != nil {
		return err
	}
	for _, p := range prefixes {
		if err := known.Guard.Check(p); err != nil {
			return fmt.Errorf("nothing was accepted: %w", err)
		}
	}
	var accepted []store.Entry
	if b.all {
		accepted, err = st.AcceptAll(ctx, operator(), time.Now())
	} else {
		accepted, err = st.Accept(ctx, prefixes, operator(), time.Now())
	}
	if err != nil {
		return err
	}
	for i := range accepted {
		e := &accepted[i]
		if b.json {
			if err := b.printJSON(explain.NewBlacklistEntry(e, cfg.Blacklist.ReleaseAfter)); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(b.stdout, "%s is blocked (%s: %s)\n", detect.AddressText(e.Address), e.Rule, display.Harmless(e.Reason))
	}
	if b.all && len(accepted) == 0 && !b.json {
		fmt.Fprintln(b.stdout, "nothing is held")
	}
	return notHeld(ctx, st, prefixes, accepted)
}

// notHeld is the error that names what was to be accepted and is not held.
func notHeld(ctx context.Context, st *store.Store, prefixes []netip.Prefix, accepted []store.Entry) error {
	var others []string
	for _, p := range prefixes {
		if slices.ContainsFunc(accepted, func(e store.Entry) bool { return e.Address == p }) {
			continue
		}
		entries, err := st.Covering(ctx, p.Addr())
		if err != nil {
			return err
		}
		state := "not on the blacklist"
		for _, e := range entries {
			if e.ReleasedAt.IsZero() && e.Address.Bits() <= p.Bits() {
				state = e.State.String()
				if e.Address != p {
					state += " as " + e.Address.String()
				}
				break
			}
		}
		others = append(others, detect.AddressText(p)+" is "+state)
	}
	if len(others) == 0 {
		return nil
	}
	return fmt.Errorf("not held, and so not accepted: %s", strings.Join(others, ", "))
}

// operator is who is at the keyboard, as the history names him; a person cannot be taken for the detector.
func operator() string {
	u, err := user.Current()
	if err != nil || u.Username == "" || u.Username == store.ByDetector {
		return store.ByOperator
	}
	return u.Username
}
