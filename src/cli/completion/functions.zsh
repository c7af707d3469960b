# Quotes are taken off what was typed, nothing of it is evaluated; compadd puts them on what is inserted. The tables
# _connectorctl_step and _connectorctl_offer are made from the commands; connectorctl completion zsh prints them with this.

_connectorctl_values() {
  local found
  local -a all
  case $1 in
    file) _files ;;
    folder) _files -/ ;;
    words:*) compadd -- ${(s:,:)1#words:} ;;
    directory:*)
      while IFS= read -r -d '' found; do
        all+=("$found")
      done < <("$program" __complete zsh "${1#directory:}" "$kind" -- '' "${typed[@]}" '' 2>/dev/null </dev/null)
      compadd -a -- all
      ;;
  esac
}

_connectorctl() {
  local program=${(Q)words[1]} at= expects= many= closed= kind=option word
  local -a typed commands options expected
  local arguments=
  local -i seen=0 count=0
  [[ $program != '~/'* ]] || program=$HOME/${program[3,-1]}
  typed=("${(@Q)words[2,CURRENT-1]}")

  for word in "${typed[@]}"; do
    if [[ -n $closed ]]; then
      seen=$((seen + 1))
    elif [[ -n $expects && ( -z $many || $word != -* ) ]]; then
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

  if [[ -z $closed && -z $expects && $PREFIX == --*=* ]]; then
    _connectorctl_step "${PREFIX%%=*}"
    [[ -n $expects ]] || return 1
    compset -P 1 '*='
  elif [[ -n $many && $PREFIX == -* ]]; then
    expects=
  fi
  if [[ -n $expects ]]; then
    _connectorctl_values "$expects"
    return
  fi

  _connectorctl_offer
  if [[ -z $closed && $PREFIX == -* ]]; then
    _describe -o option options
    return
  fi
  if (( $#commands > 0 )); then
    (( seen > 0 )) || _describe command commands
    return
  fi
  expected=(${=arguments})
  count=$#expected
  if [[ ${expected[-1]-} == ... ]]; then
    count=$((count - 1))
    (( seen < count )) || seen=$((count - 1))
  fi
  if (( seen < count )); then
    kind=argument
    _connectorctl_values "${expected[seen+1]}"
  elif [[ -z $closed && -z $PREFIX ]]; then
    _describe -o option options
  fi
}
