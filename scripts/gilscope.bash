# bash completion for gilscope                                             -*- shell-script -*-

_gilscope_pids()
{
	# processes that look like Python, by the name of their program
	local pid name
	for pid in /proc/[0-9]*; do
		name=$(readlink "$pid/exe" 2>/dev/null) || read -r name 2>/dev/null <"$pid/comm" || continue
		[[ ${name##*/} == *python* ]] && echo "${pid##*/}"
	done
}

_gilscope()
{
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} words=
	local common='--color --help'

	COMPREPLY=()
	if [[ $command == record ]]; then
		local i
		for ((i = 2; i < COMP_CWORD; i++)); do
			[[ ${COMP_WORDS[i]} == -- ]] || continue
			if ((i + 1 == COMP_CWORD)); then
				mapfile -t COMPREPLY < <(compgen -c -- "$cur")
			else
				mapfile -t COMPREPLY < <(compgen -f -- "$cur")
				compopt -o filenames 2>/dev/null
			fi
			return
		done
	fi
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W 'record report diff check export dump doctor help version --help --version' -- "$cur")
		return
	fi
	case $prev in
	-p | --pid)
		mapfile -t COMPREPLY < <(compgen -W "$(_gilscope_pids)" -- "$cur")
		return
		;;
	-o | --output | --json | --junit | --markdown | --sarif | --html)
		[[ $command$prev == dump--json ]] || {
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
		}
		;;
	--keep)
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return
		;;
	--metric | --limit | --floor | --max)
		mapfile -t COMPREPLY < <(compgen -W 'gil_wait_per_op gil_wait_ratio gil_wait_p99 gil_hold_p99 convoy_rate gil_held_blocked' -- "$cur")
		return
		;;
	--collector)
		mapfile -t COMPREPLY < <(compgen -W 'auto bpf signal remote' -- "$cur")
		return
		;;
	--format)
		mapfile -t COMPREPLY < <(compgen -W 'text json html' -- "$cur")
		return
		;;
	--to)
		mapfile -t COMPREPLY < <(compgen -W 'collapsed csv firefox openmetrics perfetto pprof speedscope' -- "$cur")
		return
		;;
	--weight)
		mapfile -t COMPREPLY < <(compgen -W 'wait blame locks blocked gil nogil' -- "$cur")
		return
		;;
	--view)
		mapfile -t COMPREPLY < <(compgen -W 'v_threads v_waits v_blame v_states v_locks' -- "$cur")
		return
		;;
	--color)
		mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$cur")
		return
		;;
	-d | --duration | -r | --rate | --top | --base-ops | --head-ops | --base-cmd | --head-cmd | --rounds | --warmup | --seed | --ops | --alpha | --source-url)
		return
		;;
	esac
	case $command in
	record) words="--children --no-children -p --pid -d --duration -o --output -r --rate --force --collector --cpu-limit --inject --no-python --native -q --quiet $common" ;;
	report) words="--format -o --output --open --top $common" ;;
	diff) words="-o --output --format --open --top --base-ops --head-ops $common" ;;
	check) words="--base-cmd --head-cmd --rounds --warmup --seed --aa --ops --steal-max --keep --baseline --force-unlike --metric --limit --floor --max \
		--alpha --fail-on-inconclusive --json --junit --markdown --sarif --html --source-url --github $common" ;;
	export) words="-o --output --to --view --weight $common" ;;
	dump) words="-p --pid --json --native $common" ;;
	doctor) words="-p --pid -v --verbose $common" ;;
	help) words="record report diff check export dump doctor help version $common" ;;
	version) words="$common" ;;
	esac
	if [[ $command == @(report|diff|check|export) && $cur != -* ]]; then
		mapfile -t COMPREPLY < <(compgen -f -X '!*.gilscope' -- "$cur"; compgen -d -- "$cur")
		compopt -o filenames 2>/dev/null
		return
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _gilscope gilscope
