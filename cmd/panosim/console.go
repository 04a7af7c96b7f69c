package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
)

// serve carries out the commands that are read, until one says to quit or the context ends. The end of the input
// ends nothing: the program may run without one.
func (l *lab) serve(ctx context.Context, in io.Reader) {
	lines := make(chan string)
	// Ends with its input, or after the context at the next line: a read of a terminal cannot be interrupted.
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(in)
		for scanner.Scan() {
			select {
			case lines <- scanner.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case text, open := <-lines:
			if !open {
				lines = nil
				continue
			}
			words := strings.Fields(text)
			if len(words) == 0 {
				continue
			}
			if words[0] == "quit" {
				return
			}
			if err := l.execute(words[0], words[1:]); err != nil {
				l.printer.line("panosim", "error: %v", err)
			}
		}
	}
}

// errUsage has execute show how the command is used.
var errUsage = errors.New("wrong arguments")

// execute carries out one command.
func (l *lab) execute(name string, args []string) error {
	for _, c := range commands() {
		if c.name != name {
			continue
		}
		if err := c.run(l, args); err != nil {
			if errors.Is(err, errUsage) {
				return fmt.Errorf("%w; usage: %s %s", err, c.name, c.usage)
			}
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	return fmt.Errorf("no command %q; \"help\" lists them", name)
}

// say answers about the machine that commands are about.
func (l *lab) say(format string, args ...any) { l.printer.line(l.current.name, format, args...) }

// A verb is one command.
type verb struct {
	name, usage, help string
	run               func(*lab, []string) error
}

// commands lists them in the order of the help.
func commands() []verb {
	return []verb{
		{"help", "", "this list", (*lab).help},
		{"status", "", "every machine: address, state, what is registered, calls so far", (*lab).status},
		{"use", "NAME [VSYS]", "the machine that the following commands are about, and for packets and tags its virtual system", (*lab).use},
		{"packet", "SOURCE DESTINATION PORT [FROM [TO]]", "a new TCP connection between two zones (untrust, trust): what the policy decides", (*lab).packet},
		{"scan", "SOURCE DESTINATION [PORTS]", "short connections to so many ports (11) from untrust to trust", (*lab).scan},
		{"attack", "SOURCE DESTINATION PORT [FROM [TO]]", "a connection with a critical attack in it, if the rule looks for vulnerabilities", (*lab).attack},
		{"sessions", "", "the connections that stand", (*lab).sessions},
		{"tags", "[TAG]", "registered addresses with their tags", (*lab).tags},
		{"tag", "ADDRESS TAG [TIMEOUT]", "register a tag as another owner", (*lab).tag},
		{"untag", "ADDRESS [TAG]", "take a tag off as another owner; without one, all", (*lab).untag},
		{"rules", "[VSYS]", "security rules in their order", (*lab).rules},
		{"lists", "[VSYS]", "External Dynamic Lists, and what it holds of them", (*lab).lists},
		{"jobs", "", "the list of jobs", (*lab).jobs},
		{"config", "", "the running configuration", (*lab).config},
		{"candidate", "", "the candidate configuration", (*lab).candidate},
		{"edit", "ADMIN set|edit|delete|move XPATH [XML]", "an edit of an administrator, not committed", (*lab).edit},
		{"commit", "[ADMIN]", "commit everything that is pending, as an administrator (admin)", (*lab).commit},
		{"lock", "config | commit ADMIN", "an administrator takes a lock", (*lab).lock},
		{"unlock", "", "all locks are given back", (*lab).unlock},
		{"role", "ADMIN superuser | RIGHT...", "what an administrator may over the API: op, user-id, config, commit...", (*lab).role},
		{"fault", "EFFECT [CALLS [DELAY]] | none", "what the next calls meet (0: all), as \"fault html 3\"", (*lab).fault},
		{"storm", "SEED | none", "calls meet all faults in an order that the seed decides", (*lab).storm},
		{"latency", "DURATION", "how long every call takes at least", (*lab).latency},
		{"dialect", "DIALECT", "how it behaves where no source is certain; \"plain\" is the usual", (*lab).dialect},
		{"certificate", "valid | expired | other-name | stranger", "which certificate new connections see", (*lab).certificate},
		{"down", "", "refuse connections", (*lab).down},
		{"up", "", "accept them again", (*lab).up},
		{"reboot", "", "restart, with everything that clients meet meanwhile", (*lab).reboot},
		{"failover", "", "the passive member of the pair becomes active", (*lab).failover},
		{"suspend", "", "take this member out of the pair", (*lab).suspend},
		{"resume", "", "bring it back", (*lab).resume},
		{"push", "GROUP", "push a device group of the Panorama", (*lab).push},
		{"quit", "", "stop", nil},
	}
}
