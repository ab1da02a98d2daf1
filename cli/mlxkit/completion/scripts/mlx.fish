# Completion of mlx for fish; `mlx completion install` puts it where fish looks.

function __mlx_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    # A word that is quoted or escaped is given as it is meant.
    set -l meant (string unescape -- "$current" 2>/dev/null; or string trim -l -c "\"'" -- "$current")
    set -l answer (_MLX_COMPLETE=fish command $words[1] $words[2..] "$meant" 2>/dev/null)
    set -l found $answer[2..]
    if test (count $found) -gt 0
        printf '%s\n' $found
        return
    end
    set -l option (string match -r -- '^--[^=]*=' "$current")
    set -l begun (string replace -r -- '^--[^=]*=' '' "$current")
    switch "$answer[1]"
        case files
            set found (__fish_complete_path "$begun")
        case folders
            set found (__fish_complete_directories "$begun" '')
    end
    for word in $found
        echo "$option$word"
    end
end

complete -c mlx -e
complete -c mlx -f -a '(__mlx_complete)'
