package userns

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrForbidden is wrapped by errors on machines that do not let the person
// make user namespaces. The message names what an administrator can change.
var ErrForbidden = errors.New("user namespaces are forbidden")

// A restriction is a sysctl that forbids user namespaces at some value.
type restriction struct{ file, forbids, fix string }

var restrictions = []restriction{
	{"/proc/sys/user/max_user_namespaces", "0",
		"an administrator can allow them with: sysctl -w user.max_user_namespaces=15000"},
	{"/proc/sys/kernel/unprivileged_userns_clone", "0",
		"an administrator can allow them with: sysctl -w kernel.unprivileged_userns_clone=1"},
	{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
		"AppArmor allows them only to programs with a profile, 'rl check' prints the one for rl"},
}

// explain adds the cause that an administrator can remove to an error from
// creating the namespace.
func explain(err error) error {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.ENOSPC) && !errors.Is(err, unix.EACCES) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("create the user namespace: %w", err)
	}
	for _, r := range restrictions {
		value, readErr := os.ReadFile(r.file)
		if readErr == nil && strings.TrimSpace(string(value)) == r.forbids {
			return fmt.Errorf("%w here (%w): %s", ErrForbidden, err, r.fix)
		}
	}
	return fmt.Errorf("%w here (%w): this machine or an outer container filters them, 'rl check' tells more", ErrForbidden, err)
}
