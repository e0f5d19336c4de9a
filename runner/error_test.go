package runner

import (
	"errors"
	"fmt"
	"testing"
)

func TestSentinelsSurviveTheWayToTheCommand(t *testing.T) {
	for _, known := range sentinels() {
		for _, err := range []error{fmt.Errorf("%w: 0123", known), failf("%w", known)} {
			if got := replyOf(err).err(); !errors.Is(got, known) || got.Error() != err.Error() {
				t.Errorf("%v became %v", err, got)
			}
		}
	}
	if got := replyOf(errors.New("something else")).err(); errors.Is(got, ErrRunning) {
		t.Errorf("%v is taken for ErrRunning", got)
	}
}
