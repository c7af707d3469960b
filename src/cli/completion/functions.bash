# Nothing that was typed is ever evaluated here: it is compared, or passed on as an argument. The tables _connectorctl_step
# and _connectorctl_offer are made from the commands; connectorctl completion bash prints them with this.

_connectorctl_values() {
  local found
  case $1 in
    file) compopt -o default ;;
    folder) compopt -o dirnames ;;
    words:*)
      found=${1#words:}
      COMPREPLY=($(compgen -P "$head" -W "${found//,/ }" -- "$tail"))
      ;;
    directory:*)
      while IFS= read -r -d '' found; do
        COMPREPLY+=("$head$found")
      done < <("$program" __complete bash "${1#directory:}" "$kind" -- "$tail" "${words[@]:1:${#words[@]}-2}" "$current" 2>/dev/null </dev/null)
      ;;
  esac
}

_connectorctl() {
  local IFS=$' \t\n' program=$1 tail=$2 head= words=() piece trimmed rest current word i
  local at= expects= many= seen=0 closed= kind=option commands= options= arguments= expected=()
  [[ $program != '~/'* ]] || program=$HOME/${program:2}
  COMPREPLY=()

  # bash parts words at ":", "=" and "@"; what stands without a space between is one word here.
  rest=${COMP_LINE:0:COMP_POINT}
  for piece in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
    trimmed=${rest#"${rest%%[![:space:]]*}"}
    [[ $trimmed == "$piece"* ]] || piece=$trimmed
    if ((${#words[@]} > 0)) && [[ $trimmed == "$rest" ]]; then
      words[${#words[@]}-1]+=$piece
    else
      words+=("$piece")
    fi
    rest=${trimmed#"$piece"}
  done

  for ((i = 1; i < ${#words[@]} - 1; i++)); do
    word=${words[i]}
    if [[ -n $closed ]]; then
      seen=$((seen + 1))
    elif [[ -n $expects && (-z $many || $word != -*) ]]; then
      [[ -n $many ]] || expects=
    else
      expects= many=
      case $word in
        --) closed=1 ;;
        --*=*) ;;
        *) _connectorctl_step "$word" ;;
      esac
    fi
  done

  current=${words[${#words[@]}-1]}
  if [[ -z $closed && -z $expects && $current == --*=* ]]; then
    _connectorctl_step "${current%%=*}"
    [[ -n $expects ]] || return 0
    # Readline completes what stands after "=", unless "=" was taken out of COMP_WORDBREAKS.
    if [[ $tail == --*=* ]]; then
      head=${tail%%=*}=
      tail=${tail#*=}
    fi
    current=${current#*=}
  elif [[ -n $many && $current == -* ]]; then
    expects=
  fi
  if [[ -n $expects ]]; then
    _connectorctl_values "$expects"
    return 0
  fi

  _connectorctl_offer
  if [[ -z $closed && $current == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$tail"))
    return 0
  fi
  if [[ -n $commands ]]; then
    ((seen > 0)) || COMPREPLY=($(compgen -W "$commands" -- "$tail"))
    return 0
  fi
  expected=($arguments)
  i=${#expected[@]}
  if ((i > 0)) && [[ ${expected[i-1]} == ... ]]; then
    i=$((i - 1))
    ((seen < i)) || seen=$((i - 1))
  fi
  if ((seen < i)); then
    kind=argument
    _connectorctl_values "${expected[seen]}"
  elif [[ -z $closed && -z $current ]]; then
    COMPREPLY=($(compgen -W "$options" -- ""))
  fi
}
